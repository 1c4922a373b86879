"""rw-publish: one deterministic commit, a branch that only it sets, and ends that say who can help."""

from __future__ import annotations

import os
import signal
import socket
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.git_servers import LOOPBACK, HttpsGit, SshGit
from tests.unit.publish.conftest import BRANCH, DATE, Container, changes, commit, project_of
from tests.unit.source.conftest import PASSWORD, git

UNREACHED, REFUSED, WRONG = 75, 77, 78
WAIT_SECONDS = 180.0
OTHERS = ("commit-tree", "-m", "theirs", "main^{tree}", "-p", "main")
"""git's arguments for another one's commit on main."""


@pytest.fixture
def work(workspace: Path) -> Path:
    """A workspace with uncommitted work."""
    (workspace / "src/program").write_text("print(2)\n")
    (workspace / "new").write_text("new\n")
    return workspace


def at(server: HttpsGit, branch: str = BRANCH) -> str:
    """Return the commit of a branch on the server, or nothing."""
    return git(project_of(server), "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")


def hook(server: HttpsGit, text: str) -> None:
    """Install a pre-receive hook, with which forges protect branches."""
    path = project_of(server) / "hooks/pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_uncommitted_work_becomes_one_commit(container: Container, server: HttpsGit, work: Path) -> None:
    """Its parent is the cloned commit, its time and message are the operator's. The agent's repository stays as it was."""
    before = git(work, "status", "--porcelain"), (work / ".git/index").read_bytes()
    found, others = container.published()
    assert (at(server), others) == (found, [])
    assert changes(server, container.base) == {"src/program": "M", "new": "A"}
    said = git(project_of(server), "log", "-1", "--format=%P%n%an <%ae>%n%cn <%ce>%n%aI%n%cI%n%B", found).splitlines()
    who, when = "runwatchman <runwatchman@localhost>", DATE.replace("Z", "+00:00")
    assert said == [container.base, who, who, when, when, "Fix it"]
    assert (git(work, "status", "--porcelain"), (work / ".git/index").read_bytes()) == before
    assert git(project_of(server), "fsck", "--full", "--strict", "--no-dangling") == ""


def test_the_summary_is_for_the_command_that_follows(container: Container, work: Path) -> None:
    """A line a value, without quotes."""
    found, _ = container.published()
    lines = (container.scratch / "summary").read_text().splitlines()
    assert lines == [f"RUNWATCHMAN_BRANCH={BRANCH}", f"RUNWATCHMAN_COMMIT={found}", f"RUNWATCHMAN_BASE={container.base}"]


def test_the_same_push_twice(container: Container, server: HttpsGit, work: Path) -> None:
    """A second container makes the same commit, finds it and pushes nothing: with the operator's record and without it."""
    found, _ = container.published()
    for container.expected in ("", found):
        server.requests.clear()
        assert container.published() == (found, [])
        assert [line for line in server.requests if "receive-pack" in line] == []


def test_killed_after_the_push(container: Container, server: HttpsGit, work: Path) -> None:
    """The branch is set and the operator does not know: the next container says the same commit."""
    server.held = True
    with container.start() as process:
        assert server.halted.wait(WAIT_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    server.held = False
    server.released.set()
    found = at(server)
    assert (found != "", (container.scratch / "message").exists()) == (True, False)
    assert container.published() == (found, [])


def test_later_work_replaces_what_was_published(container: Container, server: HttpsGit, work: Path) -> None:
    """With the commit on record the branch is set to another one that need not descend from it."""
    container.expected, _ = container.published()
    (work / "new").write_text("newer\n")
    found, _ = container.published()
    assert (at(server), git(project_of(server), "rev-parse", f"{found}^")) == (found, container.base)


@pytest.mark.parametrize("known", [False, True], ids=["created", "moved"])
def test_the_branch_of_somebody_else(container: Container, server: HttpsGit, work: Path, known: bool) -> None:
    """A branch that another has made or moved stays, and the words have both commits."""
    if known:
        container.expected, _ = container.published()
        (work / "new").write_text("newer\n")
    theirs = git(project_of(server), *OTHERS)
    git(project_of(server), "update-ref", f"refs/heads/{BRANCH}", theirs)
    code, words = container.run()
    assert (code, at(server)) == (WRONG, theirs)
    assert f"the branch {BRANCH} {'is' if known else 'exists'} at {theirs}" in words
    assert container.expected in words


def test_a_branch_that_was_deleted_stays_away(container: Container, server: HttpsGit, work: Path) -> None:
    """Somebody has merged or refused it."""
    container.expected, _ = container.published()
    git(project_of(server), "update-ref", "-d", f"refs/heads/{BRANCH}")
    (work / "new").write_text("newer\n")
    assert (container.run()[0], at(server)) == (WRONG, "")


@pytest.mark.parametrize("when", ["GET /project.git/info/refs?service=git-receive-pack", "POST /project.git/git-receive-pack"])
def test_a_branch_that_moves_in_between(container: Container, server: HttpsGit, work: Path, when: str) -> None:
    """The lease is git's: a branch that appears after the look is not overwritten, however late."""
    theirs = git(project_of(server), *OTHERS)
    server.before[when] = lambda: git(project_of(server), "update-ref", f"refs/heads/{BRANCH}", theirs)
    code, words = container.run()
    assert (code, at(server), "rejected" in words) == (WRONG, theirs, True), words


def test_a_protected_branch(container: Container, server: HttpsGit, work: Path) -> None:
    """A human reads the forge's own words, without what is not for reading."""
    hook(server, "echo 'GH006: Protected branch update failed.' >&2; exit 1")
    code, words = container.run()
    assert (code, at(server)) == (WRONG, "")
    assert words.splitlines()[0].split() == ["remote:", "GH006:", "Protected", "branch", "update", "failed."]
    assert "[remote rejected] (pre-receive hook declined)" in words
    assert server.url not in words


def test_a_revoked_credential(container: Container, server: HttpsGit, work: Path) -> None:
    """A human must replace the Secret."""
    server.password = "another"  # noqa: S105  # of a test
    assert container.run() == (REFUSED, f"fatal: Authentication failed for '{container.url}/'")


def test_a_credential_that_may_only_read(container: Container, server: HttpsGit, work: Path) -> None:
    """The server shows its refs and refuses the push."""
    server.before["service=git-receive-pack"] = lambda: setattr(server, "trouble", HTTPStatus.FORBIDDEN)
    code, words = container.run()
    assert (code, "403" in words) == (REFUSED, True)


def test_a_server_that_is_away(container: Container, server: HttpsGit, work: Path) -> None:
    """Nobody is asked: it is tried again. A server that fails after the look counts as away, too."""
    server.before["service=git-receive-pack"] = lambda: setattr(server, "trouble", HTTPStatus.SERVICE_UNAVAILABLE)
    assert container.run()[0] == UNREACHED, container.said
    with socket.create_server((LOOPBACK, 0)) as free:
        closed = free.getsockname()[1]
    container.url = f"https://{LOOPBACK}:{closed}/project.git"
    assert container.run()[0] == UNREACHED, container.said


def test_a_server_that_fails_while_it_stores(container: Container, server: HttpsGit, work: Path) -> None:
    """Forges say so in the same form as a refusal."""
    hook(server, "echo 'fatal error: Internal Server Error' >&2; exit 1")
    assert container.run()[0] == UNREACHED


def test_nothing_changed(container: Container, server: HttpsGit, workspace: Path) -> None:
    """An agent that claims success without a change is found out, also if it has committed and taken back."""
    code, words = container.run()
    assert (code, words) == (WRONG, f"the agent changed nothing since {container.base}")
    (workspace / "new").touch()
    commit(workspace)
    (workspace / "new").unlink()
    commit(workspace)
    assert container.run() == (WRONG, words)
    (workspace / "huge").touch()
    os.truncate(workspace / "huge", 200 << 20)
    assert container.run() == (WRONG, f"{words}\nleft-out 1: huge (more than 100 MiB)")
    assert server.requests == []


def test_only_the_verified_tree(container: Container, server: HttpsGit, work: Path) -> None:
    """What rw-copy has named is published; after any change of a file nothing is, and no server is asked."""
    container.tree = container.copied()
    found, _ = container.published()
    assert git(project_of(server), "rev-parse", f"{found}^{{tree}}") == container.tree
    (work / "new").write_text("something else\n")
    server.requests.clear()
    container.expected = found
    code, words = container.run()
    assert (code, container.tree in words, server.requests) == (WRONG, True, [])
    container.tree = "none"
    assert container.run()[0] == WRONG


def test_a_full_disk(container: Container, server: HttpsGit, work: Path) -> None:
    """Lists that are cut short publish nothing, whichever tool runs out of space, and the words say so."""
    (work / "build").mkdir()
    for number in range(500):
        (work / f"build/{number:0200}").touch()
    for container.largest in (32, 64, 128):
        code, words = container.run()
        assert (code > 0, "File too large" in words, at(server)) == (True, True, ""), words


def test_a_folder_of_the_workspace(container: Container, server: HttpsGit, work: Path) -> None:
    """With a directory the rest of the workspace is not published."""
    (moved := work.parent / "moved").mkdir()
    work.rename(moved / "project")
    (moved / "beside").touch()
    container.workspace, container.directory = moved, "project"
    container.tree = container.copied()
    container.published()
    assert changes(server, container.base) == {"src/program": "M", "new": "A"}
    assert (container.copy / "beside").exists()


def test_main_went_on(container: Container, server: HttpsGit, work: Path) -> None:
    """No ref leads directly to the cloned commit any more; only the changed files are sent."""
    project = project_of(server)
    git(project, "update-ref", "refs/heads/main", git(project, *OTHERS))
    container.published()
    assert changes(server, container.base) == {"src/program": "M", "new": "A"}
    assert git(project, "fsck", "--full", "--strict", "--no-dangling") == ""


def test_an_older_server(container: Container, server: HttpsGit, work: Path) -> None:
    """It neither negotiates for a push nor gives a commit that no ref names."""
    project = project_of(server)
    git(project, "update-ref", "refs/heads/main", git(project, *OTHERS))
    server.old = True
    container.published()
    assert changes(server, container.base) == {"src/program": "M", "new": "A"}


def test_a_repository_without_the_cloned_commit(container: Container, server: HttpsGit, work: Path) -> None:
    """The words name the commit and the remedy."""
    container.url = f"{server.url}/library.git"
    code, words = container.run()
    assert (code, f"the server has no commit {container.base}" in words) == (WRONG, True), words


def test_over_ssh(container: Container, server: HttpsGit, ssh: SshGit, work: Path) -> None:
    """The Secret's key and host keys suffice, and neither stays in the scratch folder."""
    container.url, container.secret = f"{ssh.url}/project.git", {"ssh-privatekey": ssh.key, "known_hosts": ssh.known_hosts}
    found, _ = container.published()
    assert at(server) == found
    assert [path for path in (container.scratch / "tmp").rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()] == []


@pytest.mark.parametrize("branch", ["a..b", "-x y", "x.lock", "a\nb"])
def test_a_name_that_is_no_branch(container: Container, work: Path, branch: str) -> None:
    """Git's rules decide before a server is asked."""
    container.branch = branch
    code, words = container.run()
    assert (code, "set publish.git.branch to another" in words) == (WRONG, True)


def test_the_words_are_bounded_and_have_no_credential(container: Container, server: HttpsGit, work: Path) -> None:
    """A server that repeats the credential, and a thousand paths that contain it."""
    hook(server, f"i=0; while [ $i -lt 99 ]; do echo 'no {PASSWORD}y'; i=$((i + 1)); done; exit 1")
    code, words = container.run()
    assert (code, len(words.encode()) <= 900, PASSWORD in words + container.said, "[REDACTED]y" in words) == (
        WRONG,
        True,
        False,
        True,
    )
    (project_of(server) / "hooks/pre-receive").unlink()
    for number in range(1000):
        os.mkfifo(work / f"ü{PASSWORD}{number}")
    code, words = container.run()
    assert (code, len(words.encode()) <= 900, PASSWORD in words + container.said) == (0, True, False)
    assert "\nleft-out 1000: ü[REDACTED]0 (pipe), " in words
    assert words.endswith(", ...")
