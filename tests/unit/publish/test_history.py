"""The agent's own commits: kept if they are sound and begin at the cloned commit, else one commit with the same files."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.git_servers import HttpsGit
from tests.unit.publish.conftest import BRANCH, Container, changes, commit, project_of
from tests.unit.source.conftest import Clone, git


def between(server: HttpsGit, base: str) -> list[str]:
    """Return the commits that were published, the oldest first."""
    return git(project_of(server), "rev-list", "--reverse", BRANCH, f"^{base}").split()


def raw_object(workspace: Path, kind: str, content: bytes) -> str:
    """Store an object as the agent could, without git's checks."""
    path = workspace.parent / "object"
    path.write_bytes(content)
    return git(workspace, "hash-object", "-t", kind, "-w", "--literally", str(path))


def entry(mode: str, name: str, named: str) -> bytes:
    """Return an entry of a tree."""
    return f"{mode} {name}".encode() + b"\0" + bytes.fromhex(named)


def test_the_agents_commits_are_kept(container: Container, server: HttpsGit, workspace: Path) -> None:
    """Author, message and names are theirs; uncommitted changes follow as one commit."""
    (workspace / "src/program").write_text("print(2)\n")
    mine = commit(workspace, "Fix the program")
    assert container.published() == (mine, [])
    (workspace / "new").write_text("new\n")
    container.expected = mine
    found, others = container.published()
    assert (between(server, container.base), others) == ([mine, found], [])
    assert git(project_of(server), "log", "-1", "--format=%an %s", mine) == "t Fix the program"


def test_a_branch_and_a_merge_of_the_agents(container: Container, server: HttpsGit, workspace: Path) -> None:
    """All of its history that begins at the cloned commit is kept, whatever branch HEAD is on, and with packed refs."""
    git(workspace, "checkout", "--quiet", "-b", "side")
    (workspace / "side").touch()
    commit(workspace, "side")
    git(workspace, "checkout", "--quiet", "-b", "agent/topic", container.base)
    (workspace / "topic").touch()
    commit(workspace, "topic")
    git(workspace, "merge", "--quiet", "--no-edit", "side")
    git(workspace, "pack-refs", "--all")
    git(workspace, "gc", "--quiet")
    mine = git(workspace, "rev-parse", "HEAD")
    assert container.published() == (mine, [])
    assert len(between(server, container.base)) == 3


@pytest.mark.parametrize("directory", [".", "project"])
def test_an_agent_that_prunes_what_no_branch_leads_to(
    container: Container, server: HttpsGit, workspace: Path, directory: str
) -> None:
    """The cloned commit stays: rw-clone pins it by a ref, which is not published."""
    shutil.rmtree(workspace)
    (workspace / "lost+found").mkdir(parents=True)
    clone = Clone(workspace, container.scratch, container.url, directory=directory, secret=container.secret, ca=container.ca)
    assert clone.run() == (0, f"revision {container.base}")
    container.directory, project = directory, workspace / directory
    git(project, "remote", "remove", "origin")
    git(project, "checkout", "--quiet", "--orphan", "mine")
    (project / "new").touch()
    commit(project)
    git(project, "branch", "--quiet", "-D", "main")
    git(project, "tag", "--delete", *git(project, "tag").split())
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "--quiet", "--prune=now")
    _, others = container.published()
    assert others == ["left-out 1: the agent's own commits (they do not begin at the cloned commit)"]
    assert "refs/runwatchman" not in git(project_of(server), "for-each-ref")


def test_a_shallow_clone(container: Container, server: HttpsGit, workspace: Path) -> None:
    """The clone needs no more history than the cloned commit."""
    shutil.rmtree(workspace)
    (workspace / "lost+found").mkdir(parents=True)
    clone = Clone(workspace, container.scratch, container.url, secret=container.secret, ca=container.ca)
    clone.more["RUNWATCHMAN_SOURCE_DEPTH"] = "1"
    assert clone.run() == (0, f"revision {container.base}")
    (workspace / "new").touch()
    mine = commit(workspace)
    (workspace / "newer").touch()
    found, others = container.published()
    assert (between(server, container.base), others) == ([mine, found], [])
    assert git(project_of(server), "fsck", "--full", "--strict", "--no-dangling") == ""


def amended(workspace: Path) -> None:
    """Replace the cloned commit by another one."""
    git(workspace, "commit", "--quiet", "--amend", "--message", "mine from the start")


def orphaned(workspace: Path) -> None:
    """Begin a history without a parent."""
    git(workspace, "checkout", "--quiet", "--orphan", "fresh")
    commit(workspace)


def merged_elsewhere(workspace: Path) -> None:
    """Merge a history that did not begin at the cloned commit."""
    other = git(workspace, "commit-tree", "-m", "older", f"{git(workspace, 'rev-parse', 'HEAD')}^{{tree}}")
    git(workspace, "merge", "--quiet", "--allow-unrelated-histories", "--no-edit", other)


def older(workspace: Path) -> None:
    """Go back before the cloned commit."""
    git(workspace, "update-ref", "HEAD", "HEAD~1")


def dot_git(workspace: Path) -> None:
    """Commit a tree with a folder .git, which a checkout elsewhere would take for a repository."""
    blob = raw_object(workspace, "blob", b"[core]\n\tfsmonitor = touch /tmp/pwned\n")
    inner = raw_object(workspace, "tree", entry("100644", "config", blob))
    fake_commit(workspace, raw_object(workspace, "tree", entry("40000", ".git", inner)))


def twice(workspace: Path) -> None:
    """Commit a tree with the same name twice: what is seen depends on who looks."""
    blob = git(workspace, "rev-parse", "HEAD:file")
    fake_commit(workspace, raw_object(workspace, "tree", entry("100644", "a", blob) + entry("100644", "a", blob)))


def fake_commit(workspace: Path, tree: str) -> None:
    """Let HEAD name a commit of a tree."""
    head = git(workspace, "rev-parse", "HEAD")
    text = f"tree {tree}\nparent {head}\nauthor t <t@t> 1 +0000\ncommitter t <t@t> 1 +0000\n\nfake\n"
    git(workspace, "update-ref", "HEAD", raw_object(workspace, "commit", text.encode()))


def tampered(workspace: Path) -> None:
    """Give an object a content that is not its name's."""
    (workspace / "new").write_text("good\n")
    commit(workspace)
    forge(workspace, git(workspace, "rev-parse", "HEAD:new"), b"blob 5\0evil\n")


def missing(workspace: Path) -> None:
    """Remove the content of a committed file."""
    (workspace / "new").write_text("good\n")
    commit(workspace)
    object_path(workspace, git(workspace, "rev-parse", "HEAD:new")).unlink()


def huge_once(workspace: Path) -> None:
    """Commit a file that is too large, and remove it again."""
    (workspace / "huge").touch()
    os.truncate(workspace / "huge", (100 << 20) + 1)
    commit(workspace)
    (workspace / "huge").unlink()
    commit(workspace)


def session(workspace: Path) -> None:
    """Commit what belongs to runwatchman."""
    git(workspace, "add", "--force", ".runwatchman")
    git(workspace, "commit", "--quiet", "--message", "with the session")


def submodule_moved(workspace: Path) -> None:
    """Let the submodule be at another commit."""
    git(workspace, "update-index", "--cacheinfo", f"160000,{'1' * 40},library")
    git(workspace, "commit", "--quiet", "--message", "a commit that exists nowhere")


def nested_committed(workspace: Path) -> None:
    """Commit a repository in the repository."""
    git(workspace, "init", "--quiet", "nested")
    git(workspace / "nested", "commit", "--quiet", "--allow-empty", "--message", "inner")
    commit(workspace)


def detached_at_a_tag(workspace: Path) -> None:
    """Let HEAD name a tag's own object."""
    git(workspace, "tag", "--annotate", "--message", "mine", "mine")
    (workspace / ".git/HEAD").write_text(git(workspace, "rev-parse", "mine") + "\n")


def head_elsewhere(workspace: Path) -> None:
    """Let HEAD be a symlink to a file outside."""
    (workspace.parent / "outside").write_text("0123456789abcdef" * 2 + "01234567\n")
    (workspace / ".git/HEAD").unlink()
    (workspace / ".git/HEAD").symlink_to(workspace.parent / "outside")


def head_climbs(workspace: Path) -> None:
    """Let HEAD name a file outside of the repository."""
    (workspace.parent / "outside").write_text("0123456789abcdef" * 2 + "01234567\n")
    (workspace / ".git/HEAD").write_text("ref: refs/heads/../../../../outside\n")


def head_is_a_pipe(workspace: Path) -> None:
    """Let whoever reads HEAD wait."""
    (workspace / ".git/HEAD").unlink()
    os.mkfifo(workspace / ".git/HEAD")


def object_path(workspace: Path, name: str) -> Path:
    """Return the file of a loose object."""
    return workspace / ".git/objects" / name[:2] / name[2:]


def forge(workspace: Path, name: str, content: bytes) -> None:
    """Replace a loose object's content."""
    object_path(workspace, name).unlink(missing_ok=True)
    object_path(workspace, name).parent.mkdir(exist_ok=True)
    object_path(workspace, name).write_bytes(zlib.compress(content))


@pytest.mark.parametrize(
    ("rewrite", "why"),
    [
        (amended, "they do not begin at the cloned commit"),
        (orphaned, "they do not begin at the cloned commit"),
        (merged_elsewhere, "they do not begin at the cloned commit"),
        (older, "they do not begin at the cloned commit"),
        (detached_at_a_tag, "they do not begin at the cloned commit"),
        (dot_git, "git finds their objects unsound"),
        (twice, "git finds their objects unsound"),
        (tampered, "objects of them are missing"),
        (missing, "git finds their objects unsound"),
        (huge_once, "they have a file that is too large"),
        (session, "they have files of runwatchman"),
        (submodule_moved, "they change a submodule"),
        (nested_committed, "they change a submodule"),
        (head_elsewhere, "HEAD names no commit"),
        (head_climbs, "HEAD names no commit"),
        (head_is_a_pipe, "HEAD names no commit"),
    ],
)
def test_other_histories_become_one_commit(
    container: Container, server: HttpsGit, workspace: Path, rewrite: Callable[[Path], None], why: str
) -> None:
    """The files are published as they are, on the cloned commit, and the last words have the reason."""
    (workspace / "src/program").write_text("print(2)\n")
    rewrite(workspace)
    (workspace / "last").touch()
    container.tree = container.copied()
    found, others = container.published()
    assert git(project_of(server), "rev-parse", f"{found}^") == container.base
    (words,) = others
    assert f": the agent's own commits ({why})" in words
    assert changes(server, container.base).items() >= {"src/program": "M", "last": "A"}.items()
    assert not [path for path in changes(server, container.base) if path.startswith((".runwatchman", "huge", "library", "nested"))]
    assert git(project_of(server), "fsck", "--full", "--strict", "--no-dangling") == ""


def test_a_reverted_file_has_an_older_content(container: Container, server: HttpsGit, workspace: Path) -> None:
    """A content that an older commit has may come back."""
    (workspace / "file").write_text("two\n")
    commit(workspace)
    (workspace / "file").write_text("one\n")
    (workspace / "new").touch()
    mine = commit(workspace)
    assert container.published() == (mine, [])


def without_repository(workspace: Path) -> None:
    """Remove .git."""
    shutil.rmtree(workspace / ".git")


def linked_repository(workspace: Path) -> None:
    """Move .git out of the workspace."""
    (workspace / ".git").rename(workspace.parent / "moved")
    (workspace / ".git").symlink_to(workspace.parent / "moved")


def repository_file(workspace: Path) -> None:
    """Have .git as a file that names another folder."""
    (workspace / ".git").rename(workspace.parent / "moved")
    (workspace / ".git").write_text(f"gitdir: {workspace.parent}/moved\n")


def borrowed_objects(workspace: Path) -> None:
    """Keep the objects in another repository."""
    (workspace / ".git/objects").rename(workspace.parent / "objects")
    (workspace / ".git/objects/info").mkdir(parents=True)
    (workspace / ".git/objects/info/alternates").write_text(f"{workspace.parent}/objects\n")


def linked_objects(workspace: Path) -> None:
    """Have each pack as a symlink to one outside, and a named pipe for each loose object."""
    for path in list((workspace / ".git/objects").glob("*/*")):
        moved = workspace.parent / path.name
        path.rename(moved)
        path.symlink_to(moved) if path.parent.name == "pack" else os.mkfifo(path)


def false_base(workspace: Path) -> None:
    """Give the cloned commit another content, and hide its own."""
    base = git(workspace, "rev-parse", "HEAD")
    text = git(workspace, "cat-file", "commit", "HEAD").encode() + b"\nmore\n"
    for path in (workspace / ".git/objects/pack").glob("*"):
        path.unlink()
    forge(workspace, base, b"commit %d\0" % len(text) + text)


@pytest.mark.parametrize(
    "remove", [without_repository, linked_repository, repository_file, borrowed_objects, linked_objects, false_base]
)
def test_a_repository_that_is_gone(container: Container, server: HttpsGit, workspace: Path, remove: Callable[[Path], None]) -> None:
    """Nothing outside of the workspace stands in for it: nothing is verified and nothing is published, and a human reads why."""
    (workspace / "new").touch()
    remove(workspace)
    for script in ("rw-copy", "rw-publish"):
        code, words = container.run(script)
        assert (code, f"no longer has the cloned commit {container.base}" in words) == (78, True), words
    assert server.requests == []


def test_a_folder_that_leads_elsewhere(container: Container, server: HttpsGit, workspace: Path) -> None:
    """A symlink in place of the directory, to the Secret or anywhere else, publishes nothing of its target."""
    (workspace.parent / "other").mkdir()
    (workspace.parent / "other/src").symlink_to(workspace.parent)
    container.workspace, container.directory = workspace.parent / "other", "src/workspace"
    (workspace / "new").touch()
    for script in ("rw-copy", "rw-publish"):
        code, words = container.run(script)
        assert (code, "a symlink leads from it to another place" in words, server.requests) == (78, True, [])
