"""Repositories on real servers, and a workspace to clone them into."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.git_servers import HttpsGit, SshGit, https_git, ssh_git
from tests.image import ROOT

SCRIPT = ROOT / "images/git/rw-clone"
USER, PASSWORD = "robot", "s3cret-of-the-test"
AUTHOR = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}


def git(folder: Path, *arguments: str) -> str:
    """Run git without this account's configuration and return its output."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **AUTHOR}
    odd = "surrogateescape"  # names need not be UTF-8
    done = subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, errors=odd, check=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Origin:
    """The bare repositories of a folder: project.git, with library.git as a submodule on the branch `nested`."""

    folder: Path
    first: str
    """The commit that the tag v1 names."""
    head: str
    """The head of main."""
    hidden: str
    """A commit that no branch and no tag reaches."""
    side: str
    """The head of the branch `side`."""


@dataclass
class Clone:
    """One container that runs the script: what the pod builder would give it."""

    workspace: Path
    scratch: Path
    url: str
    revision: str = ""
    directory: str = "."
    secret: dict[str, str] = field(default_factory=dict)
    ca: Path | None = None
    more: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def start(self) -> subprocess.Popen[str]:
        """Start the script as the leader of a process group."""
        given = self.scratch / "source"
        for kind, files in (("secret", self.secret), ("ca", {"ca.crt": self.ca.read_text()} if self.ca else {})):
            for name, content in files.items():
                (given / kind).mkdir(parents=True, exist_ok=True)
                (given / kind / name).write_text(content)
        (self.scratch / "tmp").mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.scratch / "tmp"),
            "RUNWATCHMAN_WORKSPACE": str(self.workspace),
            "RUNWATCHMAN_MESSAGE": str(self.message),
            "RUNWATCHMAN_SOURCE_DIR": str(given),
            "RUNWATCHMAN_SOURCE_URL": self.url,
            "RUNWATCHMAN_SOURCE_REVISION": self.revision,
            "RUNWATCHMAN_SOURCE_DIRECTORY": self.directory,
            **self.more,
        }
        command = ["sh", str(SCRIPT)]
        return subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self) -> tuple[int, str]:
        """Return the exit code and the termination message."""
        with self.start() as process:
            self.said = process.communicate()[0]
        return process.returncode, self.message.read_text().strip()

    @property
    def message(self) -> Path:
        """The file of the last words."""
        return self.scratch / "message"

    @property
    def tree(self) -> Path:
        """The place of the clone."""
        return self.workspace / self.directory


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    """Repositories with a tag, branches, a submodule and a commit that only its name leads to."""
    folder, work = tmp_path_factory.mktemp("repositories"), tmp_path_factory.mktemp("work")
    for name in ("project", "library"):
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", f"{name}.git")
        git(work, "clone", "--quiet", str(folder / f"{name}.git"), name)
        for number in (1, 2, 3):
            (work / name / "file").write_text(f"{name} {number}\n")
            git(work / name, "add", "--all")
            git(work / name, "commit", "--quiet", "--message", f"{number}")
        git(work / name, "push", "--quiet", "origin", "HEAD:main")
    project = work / "project"
    (project / "big").write_bytes(os.urandom(200_000))  # so that a pack has a middle
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "big")
    git(project, "tag", "v1", "HEAD~1")
    git(project, "push", "--quiet", "origin", "HEAD:main", "HEAD~2:refs/heads/side", "v1")
    git(project, "commit", "--quiet", "--allow-empty", "--message", "hidden")
    git(project, "push", "--quiet", "origin", "HEAD:refs/heads/going")
    hidden = git(project, "rev-parse", "HEAD")
    git(folder / "project.git", "update-ref", "-d", "refs/heads/going")
    git(project, "checkout", "--quiet", "-b", "nested", "HEAD~1")
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library.git", "library")
    git(project, "commit", "--quiet", "--message", "with a submodule")
    git(project, "push", "--quiet", "origin", "nested")
    first, head, side = git(folder / "project.git", "rev-parse", "v1", "main", "side").split()
    return Origin(folder, first, head, hidden, side)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsGit]:
    """A running HTTPS server, whose repositories and behaviour each test sets; only its certificate is shared."""
    with https_git(HttpsGit(Path()), tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture
def https(authority: HttpsGit, origin: Origin) -> HttpsGit:
    """The HTTPS server, which wants the credential and has no trouble."""
    authority.repositories, authority.user, authority.password = origin.folder, USER, PASSWORD
    authority.trouble, authority.half, authority.requests = None, False, []
    authority.halted.clear()
    authority.released.clear()
    return authority


@pytest.fixture
def other_https(https: HttpsGit, origin: Origin, tmp_path: Path) -> Iterator[HttpsGit]:
    """A second server that asks for a credential, with a certificate of the same authority."""
    with https_git(HttpsGit(origin.folder, USER, PASSWORD), https.ca.parent) as server:
        yield server


@pytest.fixture(scope="session")
def ssh(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshGit]:
    """A real sshd with the same repositories."""
    with ssh_git(origin.folder, tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The root of an empty volume, as ext4 makes it."""
    (tmp_path / "workspace/lost+found").mkdir(parents=True)
    return tmp_path / "workspace"


@pytest.fixture
def clone(https: HttpsGit, workspace: Path, tmp_path: Path) -> Clone:
    """A clone over HTTPS with the right credential and authority."""
    secret = {"username": USER, "password": f"{PASSWORD}\n"}
    return Clone(workspace, tmp_path, f"{https.url}/project.git", secret=secret, ca=https.ca)


@pytest.fixture
def ssh_clone(ssh: SshGit, workspace: Path, tmp_path: Path) -> Clone:
    """A clone over SSH with the right key and host key."""
    secret = {"ssh-privatekey": ssh.key, "known_hosts": ssh.known_hosts}
    return Clone(workspace, tmp_path, f"{ssh.url}/project.git", secret=secret)
