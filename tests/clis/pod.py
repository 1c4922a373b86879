"""The environment of an agent's container for `rw exec`, without Kubernetes: its folders, variables, user and process namespace."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from controller.api.base import JsonObject
from controller.reporter.cli_streams import Stream
from controller.reporter.events import check

SCRIPT = Path(__file__).parents[2] / "controller/reporter/scripts/rw-exec"
SESSION_ID = "5f0c2d5e-64a1-5d0c-9b7e-0d7c5f1f3a11"
PATIENCE = 120
"""Seconds after which a run that does not end counts as hung."""


@cache
def container() -> tuple[str, ...]:
    """Return the command that makes its arguments another user's PID 1, as in a pod; empty if the machine forbids that."""
    user = ("--user", "--map-user=10001", "--map-group=10001")
    command = ("unshare", *user, "--pid", "--mount-proc", "--fork", "--kill-child", "--")
    if not shutil.which("unshare"):
        return ()
    tried = subprocess.run([*command, "true"], check=False, capture_output=True, timeout=PATIENCE)
    return () if tried.returncode else command


@dataclass(frozen=True)
class Ended:
    """How a run of `rw exec` ended."""

    code: int
    logs: str
    errors: str


@dataclass
class Pod:
    """One agent's workspace and outbox. Each attempt has a new outbox, as each pod has."""

    workspace: Path
    outbox: Path
    path: str
    environment: dict[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] = ()
    brief: str = "Say hello and finish.\n"
    attempt: int = 0
    directory: str = ""
    """The container's working directory, instead of the workspace."""
    started: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin(0)

    def begin(self, attempt: int, news: str = "") -> None:
        """Begin an attempt; `news` is added to the Run's part of its brief."""
        self.attempt = attempt
        shutil.rmtree(self.outbox, ignore_errors=True)
        (self.outbox / "out").mkdir(parents=True)
        (self.outbox / "brief.md").write_text(self.brief + news)

    @property
    def state(self) -> Path:
        """The state of `rw exec` in the workspace."""
        return self.workspace / ".runwatchman"

    def events(self) -> list[JsonObject]:
        """The reporter's events from this attempt's stream."""
        stream = Stream()
        path = self.outbox / "out/stream.jsonl"
        return [event for line in path.read_text().splitlines() for event in stream.feed(line)] if path.exists() else []

    def limits(self) -> list[JsonObject]:
        """Return the limits that this attempt has reported."""
        said = map(check, lines((self.outbox / "out/events.jsonl").read_text()))
        return [event["limit"] for event in said if event["type"] == "limit"]

    def used(self) -> JsonObject:
        """Return the last usage of the attempt."""
        return [event for event in self.events() if event["type"] == "usage"][-1]

    def results(self) -> list[JsonObject]:
        """Return the results and the turns."""
        return [event for event in self.events() if event["type"] != "usage"]

    async def start(self, *arguments: str) -> Process:
        """Start `rw-exec`."""
        command = [*container(), *self.shell, str(SCRIPT), *arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.directory or self.workspace,
            env=self._env(),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    async def run(self, *arguments: str) -> Ended:
        """Run `rw-exec` to its end."""
        return await finish(await self.start(*arguments))

    async def end(self) -> None:
        """End what a failed test has left, so that it disturbs no other test."""
        for process in self.started:
            if process.returncode is None:
                kill(process)
                await finish(process)

    def _env(self) -> dict[str, str]:
        given = {
            "PATH": self.path,
            "HOME": "/",
            "RUNWATCHMAN_DIR": str(self.outbox),
            "RUNWATCHMAN_WORKSPACE": str(self.workspace),
            "RUNWATCHMAN_ATTEMPT": str(self.attempt),
            "RUNWATCHMAN_SESSION_ID": SESSION_ID,
            "RUNWATCHMAN_LAST_OUTCOME": "NonZeroExit" if self.attempt else "",
        }
        # claude refuses to run as root with all permissions unless a variable says that it is in a sandbox.
        rootly = {"IS_SANDBOX": "1"} if not container() and os.getuid() == 0 else {}
        return given | rootly | self.environment


async def finish(process: Process) -> Ended:
    """Wait for the end of a run; end one that hangs."""
    try:
        async with asyncio.timeout(PATIENCE):
            logs, errors = await process.communicate()
    except TimeoutError:
        kill(process)
        raise
    assert process.returncode is not None
    return Ended(process.returncode, logs.decode(), errors.decode())


def kill(process: Process) -> None:
    """End everything at once, as a node that fails does."""
    os.killpg(process.pid, signal.SIGKILL)


def terminate(process: Process) -> None:
    """Send TERM to `rw-exec` alone, as a kubelet does."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]) if container() else process.pid, signal.SIGTERM)


def lines(text: str) -> list[JsonObject]:
    """Return the JSON objects of a stream."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
