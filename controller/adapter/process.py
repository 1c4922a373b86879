"""Runs a command with a deadline, and kills it with all processes that it started, even if they resist."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen  # argv arrays alone, never a shell

import structlog

from controller.adapter.child_process import MAX_ENVELOPE_BYTES, Child
from controller.adapter.command import Invocation
from controller.adapter.contract import Ended
from controller.adapter.niceness import stand_back
from controller.adapter.process_tree import MARK, ProcessInfo, family, list_processes, mark_of

log = structlog.get_logger(__name__)

GRACE_SECONDS = 0.5
"""Grace period between TERM and KILL."""
SWEEP_SECONDS = 1.0
"""Time that killed processes may take to disappear. Only a process blocked in the kernel takes longer."""
INIT = 1
FIRST_LOOK_SECONDS, NEXT_LOOK_SECONDS = 0.002, 0.05
ALLOWED_ENVIRONMENT = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}
) | {spelling for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY") for spelling in (name, name.lower())}
"""Variables of the adapter's environment that all commands get. None of them holds credentials."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a run. `ended` is None if the command exited by itself; then its envelope decides."""

    ended: Ended | None
    detail: str = ""
    code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


class Processes:
    """Starts and ends commands.

    With `sole` this process has no other children, so an orphan that hides its origin is killed as well. The process must adopt its
    orphans (`process_tree.adopt_orphans`).
    """

    def __init__(self, *, sole: bool = False) -> None:
        self._sole = sole
        self._live: dict[int, str] = {}
        self._ends: set[asyncio.Task[int | None]] = set()

    async def run(self, invocation: Invocation, folder: Path, passed: frozenset[str], seconds: float) -> Finish:
        """Run a command in its folder for at most `seconds`, plus the time to end it."""
        mark = uuid.uuid4().hex
        try:
            child = _start(invocation, folder, {**environment(os.environ, passed), **invocation.environment, MARK: mark})
        except (FileNotFoundError, NotADirectoryError) as error:
            flaw = f"{invocation.argv[0]} does not exist ({error.strerror}): install it, or correct its argv"
            return Finish(Ended.UNKNOWN_COMMAND, flaw)
        except (OSError, ValueError) as error:
            return Finish(Ended.FAILED, f"{invocation.argv[0]} could not be started: {error}")
        self._live[child.pid] = mark
        polite = False
        try:
            async with asyncio.timeout(seconds):
                await child.over.wait()
        except TimeoutError:
            polite = True
        finally:
            # Shield the end: once begun it is completed, even if the caller no longer waits.
            end = asyncio.create_task(self._end(child, polite))
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)
            code = await asyncio.shield(end)
        return _finish(child, code, seconds, late=polite)

    async def close(self) -> None:
        """Wait until all commands that are being ended have ended."""
        if self._ends:
            await asyncio.wait(self._ends)

    async def _end(self, child: Child, polite: bool) -> int | None:
        """End a command and its descendants. With `polite`, send TERM first and wait for the grace period."""
        if polite:
            child.signal_group(signal.SIGTERM)
            child.signal_group(signal.SIGCONT)
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await child.exited.wait()
        child.drain()
        try:
            await self._kill_descendants(child)
        finally:
            code = child.close()
            del self._live[child.pid]
        return code

    async def _kill_descendants(self, child: Child) -> None:
        """Kill until no process is left. A process may start another between the listing and the kill."""
        loop, known, pause = asyncio.get_running_loop(), set[int](), FIRST_LOOK_SECONDS
        late = loop.time() + SWEEP_SECONDS
        while left := self._kill(child, known):
            if loop.time() > late:
                log.error("processes of a command survive KILL", pids=sorted(left))
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, NEXT_LOOK_SECONDS)

    def _kill(self, child: Child, known: set[int]) -> set[int]:
        """Kill the remaining processes, reap the dead children of this process among them, and return all that existed."""
        child.signal_group(signal.SIGKILL)
        members = family(child.pid, list_processes(), lambda one: one.pid in known or self._adopted(child.pid, one))
        known.clear()
        known.update(members)
        for one in members.values():
            with suppress(ProcessLookupError, PermissionError, ChildProcessError):
                if not one.dead:
                    os.kill(one.pid, signal.SIGKILL)
                elif one.parent == os.getpid():
                    os.waitpid(one.pid, os.WNOHANG)
                    known.discard(one.pid)
        return set(members) | (set() if child.exited.is_set() else {child.pid})

    def _adopted(self, leader: int, one: ProcessInfo) -> bool:
        """Whether an orphan descends from the leader: this process has adopted it, or init if this process does not adopt."""
        if one.parent not in {os.getpid(), INIT} or one.pid in self._live:
            return False
        mark = None if one.dead else mark_of(one.pid)
        if mark is not None and mark in self._live.values():
            return mark == self._live[leader]
        ours = self._sole and one.parent == os.getpid()
        return ours and one.session not in self._live and one.group not in self._live


def environment(variables: Mapping[str, str], passed: frozenset[str]) -> dict[str, str]:
    """Return the variables that a command may see."""
    return {name: value for name, value in variables.items() if name in ALLOWED_ENVIRONMENT | passed}


def _start(invocation: Invocation, folder: Path, variables: dict[str, str]) -> Child:
    process = Popen(  # noqa: S603  # the argv is the installer's; nothing of a Run is in it
        invocation.argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        bufsize=0,
        cwd=folder,
        env=variables | {"TMPDIR": str(folder)},
        start_new_session=True,
    )
    stand_back(process.pid)
    return Child(process, invocation.stdin)


def _finish(child: Child, code: int | None, seconds: float, *, late: bool) -> Finish:
    if child.flooded:
        return Finish(Ended.TOO_LONG, f"the command wrote more than {MAX_ENVELOPE_BYTES} bytes and was ended")
    if late:
        return Finish(Ended.TIMED_OUT, f"the command gave no answer within {seconds:.1f} s and was ended")
    if code is None:
        return Finish(Ended.FAILED, "the command could not be ended")
    return Finish(None, code=code, stdout=bytes(child.stdout), stderr=bytes(child.stderr))
