"""A repository on a real server, a workspace with a clone of it, and the containers that copy and publish the workspace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.git_servers import HttpsGit, SshGit, https_git, ssh_git
from tests.image import ROOT
from tests.unit.source.conftest import AUTHOR, PASSWORD, USER, Clone, git

SCRIPTS = ROOT / "images/git"
BRANCH = "agent/fix"
DATE = "2026-11-30T12:00:00Z"
AS_IN_A_POD = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.getuid() == 0 else []
"""Without capabilities root reads no file that its mode closes, as the agent's user."""


@dataclass(frozen=True)
class Template:
    """What every test copies: the bare repository project.git and a workspace with the clone that rw-clone made of it."""

    repositories: Path
    workspace: Path
    base: str


@dataclass
class Container:
    """One container that runs rw-copy or rw-publish: what the operator would give it."""

    workspace: Path
    scratch: Path
    url: str
    base: str
    secret: dict[str, str] = field(default_factory=dict)
    ca: Path | None = None
    directory: str = "."
    expected: str = ""
    """The commit that the operator has on record for the branch."""
    tree: str = ""
    """The tree that was verified."""
    branch: str = BRANCH
    message: str = "Fix it"
    date: str = DATE
    largest: int | None = None
    """Blocks of 512 bytes that a file may have: a disk that becomes full."""
    said: str = ""

    def start(self, script: str = "rw-publish") -> subprocess.Popen[str]:
        """Start a script as the leader of a process group."""
        for kind, files in (("secret", self.secret), ("ca", {"ca.crt": self.ca.read_text()} if self.ca else {})):
            shutil.rmtree(self.scratch / "source" / kind, ignore_errors=True)
            for name, content in files.items():
                (self.scratch / "source" / kind).mkdir(parents=True, exist_ok=True)
                (self.scratch / "source" / kind / name).write_text(content)
        for folder in ("tmp", "copy"):
            (self.scratch / folder).mkdir(exist_ok=True)
        limit = f"trap '' XFSZ; ulimit -f {self.largest}; " if self.largest else ""
        command = [*AS_IN_A_POD, "sh", "-c", f'{limit}exec sh "$0"', str(SCRIPTS / script)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self._env(), stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
        )

    def _env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(self.scratch / "tmp"),
            "RUNWATCHMAN_WORKSPACE": str(self.workspace),
            "RUNWATCHMAN_COPY": str(self.scratch / "copy"),
            "RUNWATCHMAN_MESSAGE": str(self.scratch / "message"),
            "RUNWATCHMAN_SOURCE_DIR": str(self.scratch / "source"),
            "RUNWATCHMAN_SOURCE_DIRECTORY": self.directory,
            "RUNWATCHMAN_SOURCE_BASE": self.base,
            "RUNWATCHMAN_PUBLISH_URL": self.url,
            "RUNWATCHMAN_PUBLISH_BRANCH": self.branch,
            "RUNWATCHMAN_PUBLISH_EXPECTED": self.expected,
            "RUNWATCHMAN_PUBLISH_TREE": self.tree,
            "RUNWATCHMAN_PUBLISH_MESSAGE": self.message,
            "RUNWATCHMAN_PUBLISH_DATE": self.date,
            "RUNWATCHMAN_PUBLISH_SUMMARY": str(self.scratch / "summary"),
        }

    def run(self, script: str = "rw-publish") -> tuple[int, str]:
        """Return the exit code and the termination message."""
        with self.start(script) as process:
            self.said = process.communicate()[0]
        return process.returncode, (self.scratch / "message").read_text().strip()

    def published(self) -> tuple[str, list[str]]:
        """Publish, expecting success; return the commit and the other lines of the last words."""
        code, words = self.run()
        assert code == 0, words + self.said
        first, *others = words.splitlines()
        return first.removeprefix("commit "), others

    def copied(self) -> str:
        """Copy, expecting success; return the tree."""
        code, words = self.run("rw-copy")
        assert code == 0, words + self.said
        return words.removeprefix("tree ")

    @property
    def copy(self) -> Path:
        """The copy of the workspace."""
        return self.scratch / "copy"


def project_of(server: HttpsGit) -> Path:
    """Return the bare repository of the server."""
    return server.repositories / "project.git"


def changes(server: HttpsGit, base: str, revision: str = BRANCH) -> dict[str, str]:
    """Return what a published revision has changed: by path A, M, D or T, as git has it."""
    found = git(project_of(server), "diff-tree", "-r", "-z", "--no-renames", "--name-status", base, revision).split("\0")
    return dict(zip(found[1::2], found[::2], strict=False))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsGit]:
    """A running HTTPS server, whose repositories and behaviour each test sets; only its certificate is shared."""
    with https_git(HttpsGit(Path(), USER, PASSWORD), tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture(scope="session")
def template(authority: HttpsGit, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A repository with a submodule, a file that it ignores although it has it, and line ends by its attributes."""
    folder = tmp_path_factory.mktemp("template")
    repositories, work = folder / "repositories", folder / "work"
    for name in ("library", "project"):
        repositories.mkdir(exist_ok=True)
        git(repositories, "init", "--quiet", "--bare", "--initial-branch=main", f"{name}.git")
        git(repositories, "clone", "--quiet", str(repositories / f"{name}.git"), str(work / name))
        (work / name / "file").write_text("one\n")
        git(work / name, "add", "--all")
        git(work / name, "commit", "--quiet", "--message", "one")
        git(work / name, "push", "--quiet", "origin", "HEAD:main")
    project = work / "project"
    (project / "src").mkdir()
    (project / "src/program").write_text("print(1)\n")
    (project / "windows.txt").write_bytes(b"one\ntwo\n")
    (project / "big").write_bytes(os.urandom(100_000))
    (project / ".gitattributes").write_text("windows.txt text eol=crlf\n")
    (project / ".gitignore").write_text("*.log\nbuild/\n")
    (project / "kept.log").write_text("tracked\n")
    (project / "link").symlink_to("file")
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library.git", "library")
    git(project, "add", "--all", "--force")
    git(project, "commit", "--quiet", "--message", "two")
    git(project, "push", "--quiet", "origin", "HEAD:main")
    authority.repositories = repositories
    (folder / "workspace/lost+found").mkdir(parents=True)
    clone = Clone(folder / "workspace", folder, f"{authority.url}/project.git", ca=authority.ca)
    clone.secret = {"username": USER, "password": PASSWORD}
    assert clone.run()[0] == 0, clone.said
    return Template(repositories, folder / "workspace", git(project, "rev-parse", "HEAD"))


@pytest.fixture
def server(authority: HttpsGit, template: Template, tmp_path: Path) -> HttpsGit:
    """The server with a repository of the test's own, which wants the credential and has no trouble."""
    authority.repositories = tmp_path / "repositories"
    shutil.copytree(template.repositories, authority.repositories, symlinks=True)
    authority.user, authority.password = USER, PASSWORD
    authority.trouble, authority.half, authority.held, authority.old = None, False, False, False
    authority.before, authority.requests = {}, []
    authority.credentials.clear()
    authority.halted.clear()
    authority.released.clear()
    return authority


@pytest.fixture
def workspace(template: Template, tmp_path: Path) -> Path:
    """A workspace in which an agent has begun: the clone, and the folders that are not the repository's."""
    shutil.copytree(template.workspace, tmp_path / "workspace", symlinks=True)
    (tmp_path / "workspace/.runwatchman").mkdir()
    (tmp_path / "workspace/.runwatchman/session").write_text("the agent's own\n")
    return tmp_path / "workspace"


@pytest.fixture
def container(server: HttpsGit, workspace: Path, template: Template, tmp_path: Path) -> Container:
    """A container that publishes over HTTPS with the right credential and authority."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    secret = {"username": USER, "password": f"{PASSWORD}\n"}
    return Container(workspace, scratch, f"{server.url}/project.git", template.base, secret=secret, ca=server.ca)


@pytest.fixture
def ssh(server: HttpsGit, tmp_path: Path) -> Iterator[SshGit]:
    """A real sshd with the same repositories."""
    (tmp_path / "ssh").mkdir()
    with ssh_git(server.repositories, tmp_path / "ssh") as made:
        yield made


def commit(folder: Path, message: str = "mine", **env: str) -> str:
    """Commit all that the agent's own git would, as the agent, and return the commit."""
    git(folder, "add", "--all")
    subprocess.run(
        ["git", "commit", "--quiet", "--message", message],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **AUTHOR, **env},
        check=True,
    )
    return git(folder, "rev-parse", "HEAD")
