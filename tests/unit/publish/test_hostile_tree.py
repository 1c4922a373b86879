"""Tricks in an agent's workspace: none is executed, none sees the credential, and each has its decision in docs/repositories.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.git_servers import HttpsGit
from tests.unit.publish.conftest import BRANCH, Container, changes, project_of
from tests.unit.publish.tricks import TRICKS, Place, Trick, filters
from tests.unit.source.conftest import PASSWORD, git


@pytest.fixture
def place(workspace: Path, tmp_path: Path) -> Place:
    """The workspace and an armed canary; a program with the canary's name is also in the first place of PATH."""
    (tmp_path / "bin").mkdir()
    canary = tmp_path / "bin/canary"
    canary.write_text(f"#!/bin/sh\n{{ echo fired; env; id; }} >>{tmp_path}/fired\ncat\n")
    canary.chmod(0o755)
    return Place(workspace, canary)


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.play.__name__)
def test_a_trick(
    container: Container, server: HttpsGit, place: Place, tmp_path: Path, trick: Trick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has the tree that is published; the changed paths and the reported ones are the trick's, and nothing has run."""
    trick.play(place)
    place.write("x")
    monkeypatch.setenv("PATH", f"{place.canary.parent}:{os.environ['PATH']}")
    (tmp_path / "fired").unlink(missing_ok=True)
    container.tree = container.copied()
    found, others = container.published()
    assert not (tmp_path / "fired").exists(), (tmp_path / "fired").read_text()
    assert changes(server, container.base) == {"x": "A", **trick.published}
    assert reported(others) == set(trick.left_out)
    assert git(project_of(server), "rev-parse", f"{found}^{{tree}}") == container.tree
    assert git(project_of(server), "ls-tree", BRANCH, "library").split()[:2] == ["160000", "commit"] or "library" in trick.published
    assert_no_credential(container, server)


def test_the_canary_sings(place: Place, tmp_path: Path) -> None:
    """The agent's own git does execute it, so its silence says something."""
    place.configure(("core.fsmonitor", str(place.canary)))
    git(place.root, "status")
    assert "fired" in (tmp_path / "fired").read_text()
    (tmp_path / "fired").unlink()
    place.configure(("core.fsmonitor", "false"))
    filters(place)
    git(place.root, "add", "--all")
    assert "fired" in (tmp_path / "fired").read_text()


def reported(words: list[str]) -> set[str]:
    """Return what the last words have as left out; a long name is cut to its beginning."""
    if not words:
        return set()
    (line,) = words
    count, _, text = line.removeprefix("left-out ").partition(": ")
    paths = text.split(", ") if not text.startswith("ddd") else ["ddd..."]
    assert int(count) == len(paths)
    return set(paths)


def assert_no_credential(container: Container, server: HttpsGit) -> None:
    """Neither the workspace, the copy, the words nor what is published has the password."""
    assert PASSWORD not in container.said + (container.scratch / "message").read_text()
    assert PASSWORD not in git(project_of(server), "log", "--patch", "--text", f"{container.base}..{BRANCH}")
    for folder in (container.copy, container.scratch / "tmp"):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 1_000_000:
                assert PASSWORD.encode() not in path.read_bytes()


@pytest.mark.parametrize("name", [".gitignore", "src/.gitattributes"])
def test_a_pipe_that_git_would_read(container: Container, server: HttpsGit, place: Place, name: str) -> None:
    """Git would wait for it forever, so nothing is published until it is removed."""
    (place.root / name).unlink(missing_ok=True)
    os.mkfifo(place.root / name)
    assert container.run() == (78, f"{name} is a pipe, and git would wait for it: remove it")


def test_an_encoding_that_a_file_has_not(container: Container, place: Place) -> None:
    """Git refuses to guess what the file says, and its words name the file."""
    place.write(".gitattributes", "bad text working-tree-encoding=UTF-16\n")
    place.write("bad", "odd")
    code, words = container.run()
    assert (code, "'bad'" in words) == (1, True), words
