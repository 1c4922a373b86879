"""rw-copy: a copy of the workspace as it is, and the tree that would be published of it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.git_servers import HttpsGit
from tests.unit.publish.conftest import Container, changes, project_of
from tests.unit.source.conftest import git

LINE_ENDS = "windows.txt text eol=crlf\n"


def described(folder: Path) -> dict[str, tuple[int, object]]:
    """Return the mode and the content of all below a folder: of a symlink its target, of other kinds nothing."""
    found: dict[str, tuple[int, object]] = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content: object = None
        if stat.S_ISLNK(mode):
            content = str(path.readlink())
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (mode, content)
    return found


def test_the_copy_is_as_the_workspace(container: Container, workspace: Path) -> None:
    """Modes, symlinks and the repository are the same. Special files and runwatchman's own folders stay out."""
    (workspace / "program").write_text("#!/bin/sh\n")
    (workspace / "program").chmod(0o750)
    (workspace / "away").symlink_to("/etc/passwd")
    (workspace / "read-only").mkdir()
    (workspace / "read-only/file").write_text("x\n")
    (workspace / "read-only").chmod(0o555)
    os.mkfifo(workspace / "pipe")
    container.copied()
    wanted = {
        path: each
        for path, each in described(workspace).items()
        if path != "pipe" and not path.startswith((".runwatchman", "lost+found"))
    }
    assert described(container.copy) == wanted
    assert git(container.copy, "log", "-1", "--format=%H") == container.base


def test_without_a_source(container: Container, workspace: Path) -> None:
    """The copy has no tree."""
    container.base = ""
    assert container.copied() == "none"
    assert (container.copy / "src/program").exists()


def test_an_interrupted_copy_begins_again(container: Container, workspace: Path) -> None:
    """What a killed container has left is removed, also folders that are closed."""
    container.copied()
    (container.copy / "left/inner").mkdir(parents=True)
    (container.copy / "left").chmod(0)
    (container.copy / "file").write_text("half")
    container.copied()
    assert (sorted(os.listdir(container.copy)), (container.copy / "file").read_text()) == (
        sorted(set(os.listdir(workspace)) - {".runwatchman", "lost+found"}),
        "one\n",
    )


def test_a_sparse_file_stays_sparse(container: Container, workspace: Path) -> None:
    """A file of a terabyte that has no blocks does not fill the volume."""
    (workspace / "huge").touch()
    os.truncate(workspace / "huge", 1 << 40)
    container.copied()
    found = (container.copy / "huge").stat()
    assert (found.st_size, found.st_blocks < 100) == (1 << 40, True)


def test_closed_files_stay_closed(container: Container, workspace: Path) -> None:
    """A file that cannot be read is an empty one that cannot be read, so that the copy has the workspace's tree."""
    (workspace / "file").chmod(0)
    (workspace / "src").chmod(0)
    (workspace / "open").mkdir()
    (workspace / "open/closed").write_text("x\n")
    (workspace / "open/closed").chmod(0)
    (workspace / "open").chmod(0o555)
    (workspace / "new").touch()
    container.tree = container.copied()
    assert [(container.copy / name).stat().st_mode & 0o777 for name in ("file", "src", "open", "open/closed")] == [0, 0, 0o555, 0]
    container.published()


@pytest.mark.parametrize("fetched", [True, False], ids=["fetched", "changed"])
def test_large_files_of_lfs(container: Container, server: HttpsGit, workspace: Path, fetched: bool) -> None:
    """The content that a pointer points to is no change; another one is published as it is."""
    content = b"large\n"
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(content).hexdigest()}\nsize {len(content)}\n"
    container.base = extended(
        container, server, {".gitattributes": f"{LINE_ENDS}*.bin filter=lfs diff=lfs merge=lfs -text\n", "a.bin": pointer}
    )
    (workspace / "a.bin").write_bytes(content if fetched else b"other\n")
    (workspace / "new").touch()
    container.tree = container.copied()
    container.published()
    assert changes(server, container.base) == {"new": "A", **({} if fetched else {"a.bin": "M"})}


def extended(container: Container, server: HttpsGit, files: dict[str, str]) -> str:
    """Make a commit with more files than the cloned one has, on the server and in the workspace."""
    for name, text in files.items():
        (container.workspace / name).write_text(text)
        git(container.workspace, "add", name)
    git(container.workspace, "commit", "--quiet", "--message", "three")
    git(container.workspace, "push", "--quiet", str(project_of(server)), "HEAD:main")
    return git(container.workspace, "rev-parse", "HEAD")


PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda part: part not in (".", "..") and len(part.encode()) < 200
)
NAMES = st.lists(PART | st.sampled_from(["src", "file", ".git", ".gitignore", "build", "a.log", "library"]), min_size=1, max_size=3)
KINDS = st.sampled_from(["file", "executable", "folder", "link", "pipe", "closed", "gone"])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(NAMES, KINDS, st.text(max_size=8)), min_size=1, max_size=8), st.integers(0))
def test_any_copy_has_the_tree_that_is_published(
    container: Container, server: HttpsGit, files: list[tuple[list[str], str, str]], number: int
) -> None:
    """Whatever is in the workspace: the copy's tree is the workspace's, and a clone of the branch has it."""
    for parts, kind, text in files:
        make(container.workspace.joinpath(*parts), kind, text)
    container.tree, container.branch = container.copied(), f"any/{number}-{len(server.requests)}"
    code, words = container.run()
    if code == 0:
        assert git(project_of(server), "rev-parse", f"{container.branch}^{{tree}}") == container.tree
    else:
        assert "changed nothing" in words or "would wait for it" in words, words


def make(path: Path, kind: str, text: str) -> None:
    """Change a path of the workspace, if its place allows it."""
    try:
        if kind == "gone":
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "folder":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(text.replace("\0", "") or "x")
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_text(text)
            path.chmod({"file": 0o644, "executable": 0o755, "closed": 0}[kind])
    except OSError:
        pass  # There is something else already.
