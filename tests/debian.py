"""Servers from Debian's packages: installing them, and running their programs as the account `postgres` in folders of the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster.processes import _die_with_parent, run, start_time, wait_until
from tests.cluster.progress import locked, taking
from tests.cluster.settings import runtime_dir
from tests.skipping import cannot_run

START_SECONDS = 30.0
OWNER = "owner"
"""The file in a server's folder with its owner: process and start time."""


class Program:
    """A program in the background, which ends with the tests. Its output goes to a log in its folder."""

    def __init__(self, folder: Path, command: list[str], answers: Callable[[], bool]) -> None:
        self._folder, self._command, self._answers = folder, command, answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program, and wait until it answers."""
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                user=account(),
                cwd="/",
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # no threads run yet
            )
        assert wait_until(self._answers, START_SECONDS), log.read_text()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the program, and wait for its end. SIGINT is PostgreSQL's fast shutdown."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)


def account() -> str | None:
    """Return the account for the servers, which refuse to run as root."""
    return "postgres" if os.getuid() == 0 else None


def give(path: Path) -> Path:
    """Give a file or folder to the servers' account."""
    if name := account():
        shutil.chown(path, name)
    return path


def new_folder(prefix: str) -> Path:
    """Create a server's folder, and remove those of servers that ended with a killed run; one in creation has no owner yet."""
    for owner in Path(tempfile.gettempdir()).glob(f"{prefix}*/{OWNER}"):
        pid, _, started = owner.read_text().partition(" ")
        if start_time(int(pid)) != started:
            shutil.rmtree(owner.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    (folder / OWNER).write_text(f"{os.getpid()} {start_time(os.getpid())}")
    return give(folder)


def installed(package: str, found: Callable[[], Path | None], install: Callable[[], None]) -> Path:
    """Return where a package's programs are, installed if allowed; skip if they cannot be, which is a failure in CI."""
    place = found()
    if place is None and os.getuid() == 0 and shutil.which("apt-get"):
        with locked(runtime_dir() / f".{package}.lock"):
            if found() is None:
                with taking(f"installing {package}", "20 s"):
                    apt("update")
                    install()
            place = found()
    if place is None:
        cannot_run(f"needs {package}: install Debian's package, or run as root on Debian")
    return place


def apt(*arguments: str) -> None:
    """Run apt-get without questions."""
    run(["apt-get", *arguments], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def apt_install(*packages: str) -> None:
    """Install packages without what they only recommend."""
    apt("install", "-y", "--no-install-recommends", *packages)
