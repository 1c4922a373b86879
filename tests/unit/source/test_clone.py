"""rw-clone: every kind of revision, a clone that is made once, and one that was interrupted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.git_servers import HttpsGit
from tests.unit.source.conftest import PASSWORD, Clone, Origin, git

SHALLOW = {"RUNWATCHMAN_SOURCE_DEPTH": "1"}
WAIT_SECONDS = 180.0


def files_with(folder: Path, text: str) -> list[str]:
    """Return the files below a folder that contain a text."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_the_default_branch_becomes_the_workspace(clone: Clone, origin: Origin) -> None:
    """The clone is the workspace itself, its base commit is the last word, and git sees nothing that is not the repository's."""
    assert clone.run() == (0, f"revision {origin.head}")
    assert (clone.workspace / "file").read_text() == "project 3\n"
    assert git(clone.workspace, "rev-parse", "HEAD", "origin/main", "--abbrev-ref", "HEAD").split() == [
        origin.head,
        origin.head,
        "main",
    ]
    (clone.workspace / ".runwatchman").mkdir()
    (clone.workspace / ".runwatchman/session").touch()
    assert git(clone.workspace, "status", "--porcelain", "--untracked-files=all") == ""
    assert not (clone.workspace / ".runwatchman-clone").exists()


@pytest.mark.parametrize("depth", [{}, SHALLOW], ids=["whole", "shallow"])
@pytest.mark.parametrize("revision", ["first", "head", "hidden", "side", "branch", "tag", "ref"])
def test_a_revision_is_a_branch_a_tag_or_a_commit(clone: Clone, origin: Origin, revision: str, depth: dict[str, str]) -> None:
    """Also a commit that no branch leads to; with a depth, the history ends there."""
    names = {"branch": ("side", origin.side), "tag": ("v1", origin.first), "ref": ("refs/heads/side", origin.side)}
    commit = getattr(origin, revision, "")
    clone.revision, expected = names.get(revision, (commit, commit))
    clone.more |= depth
    assert clone.run() == (0, f"revision {expected}"), clone.said
    assert git(clone.workspace, "rev-parse", "HEAD") == expected
    assert (git(clone.workspace, "rev-list", "--count", "HEAD") == "1") == bool(depth)


def test_a_folder_of_the_workspace(clone: Clone, origin: Origin) -> None:
    """With a directory the clone is there, and the rest of the workspace is untouched."""
    clone.directory = "src/project"
    assert clone.run() == (0, f"revision {origin.head}")
    assert (clone.workspace / "src/project/file").exists()
    assert sorted(os.listdir(clone.workspace)) == ["lost+found", "src"]


@pytest.mark.parametrize("depth", [{}, SHALLOW], ids=["whole", "shallow"])
def test_submodules(clone: Clone, depth: dict[str, str]) -> None:
    """They are cloned if asked for, with the same credential since they are on the same host."""
    clone.revision, clone.more = "nested", {"RUNWATCHMAN_SOURCE_SUBMODULES": "true", **depth}
    assert clone.run()[0] == 0, clone.said
    assert (clone.workspace / "library/file").read_text() == "library 3\n"


def test_submodules_are_left_out_by_default(clone: Clone) -> None:
    """The folder of a submodule stays empty."""
    clone.revision = "nested"
    assert clone.run()[0] == 0
    assert os.listdir(clone.workspace / "library") == []


def test_ssh(ssh_clone: Clone, origin: Origin) -> None:
    """The Secret's key and host keys suffice; a key may have lost its last line end, as in a Secret that was typed."""
    ssh_clone.secret["ssh-privatekey"] = ssh_clone.secret["ssh-privatekey"].rstrip("\n")
    assert ssh_clone.run() == (0, f"revision {origin.head}"), ssh_clone.said


def test_a_token_is_a_password(clone: Clone, https: HttpsGit) -> None:
    """Without a user the name is one that the large forges accept with a token."""
    https.user = "x-access-token"
    del clone.secret["username"]
    assert clone.run()[0] == 0, clone.said


def test_no_secret_and_no_trace_of_one(clone: Clone, ssh_clone: Clone, https: HttpsGit) -> None:
    """A public repository needs none. With one, neither the workspace nor the output has the credential."""
    assert clone.run()[0] == 0
    assert files_with(clone.workspace, PASSWORD) == []
    assert PASSWORD not in clone.said + clone.message.read_text()
    assert https.url + "/project.git" in (clone.workspace / ".git/config").read_text()
    ssh_clone.directory = "ssh"
    assert ssh_clone.run()[0] == 0
    assert files_with(ssh_clone.workspace, ssh_clone.secret["ssh-privatekey"].splitlines()[1]) == []
    https.user = ""
    public = Clone(clone.workspace, clone.scratch / "public", clone.url, directory="public", ca=https.ca)
    public.scratch.mkdir()
    assert public.run()[0] == 0


def test_the_credential_goes_to_no_other_host(clone: Clone, origin: Origin, other_https: HttpsGit) -> None:
    """A submodule on another host that asks for a credential gets none."""
    work = clone.scratch / "work"
    git(clone.scratch, "clone", "--quiet", str(origin.folder / "project.git"), str(work))
    (work / ".gitmodules").write_text(f'[submodule "away"]\n\tpath = away\n\turl = {other_https.url}/library.git\n')
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{origin.head},away")
    git(work, "add", ".gitmodules")
    git(work, "commit", "--quiet", "--message", "a submodule elsewhere")
    git(work, "push", "--quiet", "origin", "HEAD:elsewhere")
    clone.revision, clone.more = "elsewhere", {"RUNWATCHMAN_SOURCE_SUBMODULES": "true"}
    code, words = clone.run()
    assert (code, f"could not read Username for '{other_https.url}'" in words) == (77, True), words
    assert other_https.credentials == set()


def test_a_later_attempt_does_nothing(clone: Clone, https: HttpsGit, origin: Origin) -> None:
    """The agent's commits and uncommitted files stay, and no server is asked: with the marker, and with the operator's record."""
    assert clone.run()[0] == 0
    (clone.workspace / "file").write_text("work\n")
    git(clone.workspace, "commit", "--quiet", "--all", "--message", "mine")
    (clone.workspace / "new").write_text("uncommitted\n")
    mine, https.requests = git(clone.workspace, "rev-parse", "HEAD"), []
    assert clone.run() == (0, f"revision {origin.head}")
    (clone.workspace / ".git/runwatchman-source").unlink()
    clone.more["RUNWATCHMAN_SOURCE_BASE"] = origin.head
    assert clone.run() == (0, f"revision {origin.head}")
    assert (git(clone.workspace, "rev-parse", "HEAD"), (clone.workspace / "new").read_text()) == (mine, "uncommitted\n")
    assert https.requests == []


def test_lost_work_is_not_hidden_by_another_clone(clone: Clone, origin: Origin) -> None:
    """An empty volume under a Run whose repository was cloned asks a human: the agent would begin again without its work."""
    clone.more["RUNWATCHMAN_SOURCE_BASE"] = origin.head
    code, words = clone.run()
    assert (code, os.listdir(clone.workspace)) == (78, ["lost+found"])
    assert f"is empty, although {origin.head} was cloned there" in words


def test_files_of_others_are_not_overwritten(clone: Clone) -> None:
    """A workspace with files and without a marker is refused, and stays as it is."""
    (clone.workspace / "file").write_text("work\n")
    code, words = clone.run()
    assert (code, (clone.workspace / "file").read_text()) == (78, "work\n")
    assert "not empty and holds no clone of this Run's: set source.git.directory" in words


@pytest.mark.parametrize("directory", [".", "project"])
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_an_interrupted_clone_begins_again(
    clone: Clone, https: HttpsGit, origin: Origin, by: signal.Signals, directory: str
) -> None:
    """Killed in the middle of a pack, it leaves nothing at its place; the next attempt clones all of it."""
    clone.directory, https.half = directory, True
    with clone.start() as process:
        assert https.halted.wait(WAIT_SECONDS)
        os.killpg(process.pid, by) if by is signal.SIGKILL else process.send_signal(by)
        process.communicate()
    https.half = False
    https.released.set()
    assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGTERM)
    assert sorted(os.listdir(clone.workspace)) == [".runwatchman-clone", "lost+found"]
    assert clone.run() == (0, f"revision {origin.head}"), clone.said
    assert git(clone.tree, "fsck", "--full", "--no-dangling") == ""
    assert git(clone.tree, "status", "--porcelain") == ""
    assert not (clone.workspace / ".runwatchman-clone").exists()


def test_an_interrupted_move_is_continued(clone: Clone, https: HttpsGit, origin: Origin) -> None:
    """A clone is complete before its first file is moved, so a crash between two files costs nothing."""
    assert clone.run()[0] == 0
    folder = clone.workspace / ".runwatchman-clone"
    (folder / "tree").mkdir(parents=True)
    (folder / "complete").touch()
    for name in (".git", "big"):
        (clone.workspace / name).rename(folder / "tree" / name)
    https.requests = []
    assert clone.run() == (0, f"revision {origin.head}")
    assert (git(clone.workspace, "status", "--porcelain"), https.requests) == ("", [])


def test_a_marker_that_leads_elsewhere_is_not_read(clone: Clone, origin: Origin, tmp_path: Path) -> None:
    """An agent cannot have the script print a file of its own choice as the base commit."""
    assert clone.run()[0] == 0
    marker = clone.workspace / ".git/runwatchman-source"
    marker.unlink()
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef01234567")
    marker.symlink_to(tmp_path / "token")
    code, words = clone.run()
    assert (code, "0123456789abcdef" in words) == (78, False)
    assert origin.head
