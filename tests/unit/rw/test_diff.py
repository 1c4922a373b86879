"""`kubectl rw diff`: the changes since the cloned commit, by a real git, and what is asked of kubectl."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from controller.cli.rw.changes import DIFF
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.session import Session
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.test_shell import pod, run

BASE = "1234567890123456789012345678901234567890"
NO_REPOSITORY = "fatal: not a git repository (or any of the parent directories): .git\ncommand terminated with exit code 128"
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@localhost")


class Repository:
    """A repository with one commit, a second one, a change that is not committed, and a new file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet")
        self.write("1\n", "kept", "committed", "changed")
        self.git("add", ".")
        self.git(*IDENTITY, "commit", "--quiet", "-m", "base")
        self.base = self.git("rev-parse", "HEAD").strip()
        self.write("2\n", "committed")
        self.git(*IDENTITY, "commit", "--quiet", "--all", "-m", "work")
        self.write("2\n", "changed", "new")

    def write(self, text: str, *names: str) -> None:
        for name in names:
            (self.path / name).write_text(text)

    def git(self, *args: str) -> str:
        return subprocess.run(["git", *args], cwd=self.path, check=True, capture_output=True, text=True).stdout

    def diff(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run the script as it runs in the container."""
        env = os.environ | {"TMPDIR": str(self.path.parent)}
        return subprocess.run(["sh", "-c", DIFF, "sh", *args], cwd=self.path, check=False, capture_output=True, text=True, env=env)

    def files(self) -> dict[str, bytes]:
        """Return every file of the repository's own folder."""
        return {str(path): path.read_bytes() for path in (self.path / ".git").rglob("*") if path.is_file()}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (path := tmp_path / "repository").mkdir()
    return Repository(path)


def test_all_kinds_of_changes_since_the_base(repository: Repository) -> None:
    """Commits, changes and new files are shown; the repository, its index and the temporary folder are left as they were."""
    before = repository.files()
    shown = repository.diff(repository.base, "--name-status")
    assert (shown.stdout, shown.stderr) == ("M\tchanged\nM\tcommitted\nA\tnew\n", "")
    assert repository.files() == before
    assert list(repository.path.parent.iterdir()) == [repository.path]


def test_the_output_can_be_applied(repository: Repository, tmp_path: Path) -> None:
    """In a clone of the base, `git apply` makes the same files."""
    patch = repository.diff(repository.base).stdout
    repository.git("clone", "--quiet", ".", str(clone := tmp_path / "clone"))
    subprocess.run(["git", "checkout", "--quiet", repository.base], cwd=clone, check=True)
    subprocess.run(["git", "apply"], cwd=clone, input=patch, text=True, check=True)
    assert [(clone / name).read_text() for name in ("kept", "committed", "changed", "new")] == ["1\n", "2\n", "2\n", "2\n"]


def test_a_commit_that_is_not_there(repository: Repository) -> None:
    """A workspace that was filled anew no longer has the base."""
    done = repository.diff(BASE)
    assert (done.returncode, done.stderr) == (128, f"fatal: there is no commit {BASE} in {repository.path}\n")


def cloned(**source: object) -> JsonObject:
    """Return a Run whose agent runs in a folder of a cloned workspace."""
    found = run("Running", workspace={"mountPath": "/w", "source": {"git": {"url": "u", "directory": "src"}}})
    found["status"]["agents"][0] |= source
    return found


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    return FakeKubectl(tmp_path / "kubectl")


@pytest.mark.parametrize(("args", "since"), [((), BASE), (("--base", "HEAD"), "HEAD")])
def test_git_runs_in_the_folder_of_the_repository(kubectl: FakeKubectl, args: tuple[str, ...], since: str) -> None:
    """The words after -- are git's, and the exit code, too."""
    found = cloned(source={"revision": BASE})
    kubectl.answers(("get runs*", found, "", 0), ("get pods*", {"items": [pod()]}, "", 0), ("exec*", "", "", 128))
    assert kubectl.run("diff", "fix", *args, "--", "--stat").exit_code == 128
    log = kubectl.path.with_suffix(".log").read_text()
    assert "exec -i fix-coder-r1 -c agent -- sh -c " in log
    assert " sh /w/src sh -c " in log
    assert log.endswith(f" sh {since} --stat\n")


def test_without_a_base_on_record(kubectl: FakeKubectl) -> None:
    """The error has the option for one."""
    kubectl.answers(("get runs*", cloned(), "", 0))
    words = "no commit is on record from which the work of agent coder began; name a commit to compare with by --base"
    assert words in kubectl.run("diff", "fix").stderr


@pytest.mark.parametrize(
    ("reply", "shown"),
    [(("+\x1b[2Jx\n", "", 0), "+\ufffd[2Jx\n"), (("", NO_REPOSITORY, 1), f"error: {NO_REPOSITORY.splitlines()[0]}\n")],
    ids=["changes", "no repository"],
)
def test_on_a_terminal(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, reply: tuple[str, str, int], shown: str) -> None:
    """What an agent wrote cannot control the terminal, and git's error is the last line."""
    monkeypatch.setattr(Session, "width", lambda _: 80)
    found = cloned(source={"revision": BASE})
    kubectl.answers(("get runs*", found, "", 0), ("get pods*", {"items": [pod()]}, "", 0), ("exec*", *reply))
    assert kubectl.run("diff", "fix").output == shown
