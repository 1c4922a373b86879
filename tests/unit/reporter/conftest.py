"""The reporter as a process of its own, run as by the sidecar, against an API server that misbehaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.certificates import make_certificates
from tests.support import PATIENCE, await_that
from tests.unit.reporter.server import ENVIRONMENT, Server, serving

ROOT = Path(__file__).parent.parent.parent.parent


class Reporting:
    """A reporter, its pod's folders, and its API server."""

    def __init__(self, folder: Path, server: Server, port: int, ca: Path) -> None:
        self.folder, self.server = folder, server
        for name in ("bin", "answers", "out", "workspace", "credentials"):
            (folder / name).mkdir()
        shutil.copy(ca, folder / "credentials/ca.crt")
        self.renew_token(server.token)
        self._env = {
            **os.environ,
            **ENVIRONMENT,
            "RUNWATCHMAN_DIR": str(folder),
            "RUNWATCHMAN_WORKSPACE": str(folder / "workspace"),
            "RUNWATCHMAN_CREDENTIALS": str(folder / "credentials"),
            "RUNWATCHMAN_LAST_WORDS": str(folder / "last"),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(port),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def renew_token(self, token: str) -> None:
        """Put another token into the file, as the kubelet does."""
        (self.folder / "credentials/token").write_text(token)

    def start(self, **env: str) -> None:
        """Start the reporter and wait until the agent would be started."""
        self.process = self.run("reporter", **env)
        await_that((self.folder / "bin/.ready").exists, "the reporter is not ready")

    def run(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """Run a command of runwatchman in the sidecar's environment."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.unit.reporter.impatient", *arguments], env={**self._env, **env}, cwd=ROOT
        )

    def say(self, text: str) -> None:
        """Append to the events as an agent does."""
        with (self.folder / "out/events.jsonl").open("a") as file:
            file.write(text + "\n")

    def rw(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `rw` that the reporter installed."""
        command = [str(self.folder / "bin/rw"), *arguments]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, check=False, timeout=PATIENCE)

    def end(self) -> str:
        """End the reporter as the kubelet does, and return its termination message."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0
        return (self.folder / "last").read_text()

    def await_status(self, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """Wait until the report's status meets the condition."""
        await_that(lambda: condition(self.server.status), f"{what}: {self.server.status}")
        return self.server.status


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture
def reporting(tmp_path: Path, certificates: Path) -> Iterator[Reporting]:
    with serving(certificates) as (server, port):
        found = Reporting(tmp_path, server, port, certificates / "ca.crt")
        yield found
        if found.process and found.process.poll() is None:
            found.process.kill()
            found.process.wait()
