"""Runs registered commands with limited concurrency, a timeout and circuit breakers."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

import structlog

from controller.adapter.breaker import Breaker, BreakerConfig, Breakers, OpenReason, Permit
from controller.adapter.command import Command
from controller.adapter.contract import MAX_OUTPUT_BYTES, Consumption, Ended, Reply, Request
from controller.adapter.fair_semaphore import FairSemaphore, Full
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.process import Finish, Processes
from controller.adapter.safe_text import clean

log = structlog.get_logger(__name__)

UNKNOWN = "(unknown)"
"""Label of metrics for all commands that are not registered."""
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError)
"""Exceptions that may be raised while a hostile envelope is read."""
MAX_COUNT = 2**53
"""The largest number that all readers of JSON and Prometheus represent exactly."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Consultations at once, waiting in all and waiting for each tenant, the longest run of a command, and the breakers' limits."""

    concurrency: int = 4
    waiting: int = 500
    waiting_each: int = 100
    seconds: float = 900.0
    patience: BreakerConfig = field(default_factory=BreakerConfig)


class LocalAdapter:
    """An advisor that runs its commands as children of this process.

    With `sole` the process has no other children. As an async context it waits on exit until all commands have ended.
    """

    def __init__(
        self,
        commands: Mapping[str, Command],
        limits: Limits,
        metrics: AdapterMetrics,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        sole: bool = False,
    ) -> None:
        self._commands, self._metrics, self._monotonic = commands, metrics, monotonic
        self._processes = Processes(sole=sole)
        self._queue = FairSemaphore(limits.concurrency, limits.waiting, limits.waiting_each)
        self._longest = limits.seconds
        self._breakers = {name: Breakers(limits.patience) for name in commands}
        self._logged: dict[tuple[str, str], OpenReason] = {}
        metrics.waiting.set_function(lambda: self._queue.waiting)
        for name in commands:
            metrics.breaker_open.labels(name).set(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._processes.close()

    async def consult(self, request: Request) -> Reply:
        """Run the requested command once and return its reply."""
        started = self._monotonic()
        command = self._commands.get(request.command)
        if command is None:
            known = ", ".join(sorted(self._commands)) or "none"
            reply = Reply(Ended.UNKNOWN_COMMAND, detail=clean(f"no command is named {request.command!r}; registered: {known}"))
        else:
            reply = await self._ask(command, request, started)
        reply = replace(reply, latency_seconds=self._monotonic() - started)
        self._metrics.count(request.command if command else UNKNOWN, reply)
        return reply

    async def _ask(self, command: Command, request: Request, started: float) -> Reply:
        breaker = self._breakers[request.command].of(request.tenant)
        if (refused := breaker.refusal(started)) is not None:
            return self._refusal(request.command, breaker, refused)
        try:
            async with self._queue.place(request.tenant, request.key, request.timeout_seconds):
                left = request.timeout_seconds - (self._monotonic() - started)
                permit = breaker.permit(self._monotonic())
                if isinstance(permit, Ended):
                    return self._refusal(request.command, breaker, permit)
                return await self._permitted(command, request, permit, min(max(left, 0.0), self._longest))
        except Full:
            return Reply(
                Ended.BUSY, detail=f"{self._queue.waiting_of(request.tenant)} consultations of this tenant are waiting already"
            )
        except TimeoutError:
            return Reply(Ended.BUSY, detail=f"no slot was free within {request.timeout_seconds} s; raise --concurrency")

    def _refusal(self, name: str, breaker: Breaker, ended: Ended) -> Reply:
        pause = max(breaker.until - self._monotonic(), 0.0)
        return Reply(ended, detail=f"command {name} is suspended for another {pause:.0f} s: {breaker.hold or ''}")

    async def _permitted(self, command: Command, request: Request, permit: Permit, seconds: float) -> Reply:
        breakers, reply = self._breakers[request.command], None
        try:
            reply = await self._run(command, request, seconds)
        finally:
            if reply is None:
                breakers.of(request.tenant).release(permit)
            else:
                breakers.record(request.tenant, permit, reply.ended, self._monotonic())
                self._log_outcome(request, reply)
        return reply

    def _log_outcome(self, request: Request, reply: Reply) -> None:
        """Log that a command is suspended for a tenant, once a cause, and that it is resumed."""
        whose = (request.command, request.tenant)
        breakers = self._breakers[request.command]
        hold = breakers.of(request.tenant).hold
        self._metrics.breaker_open.labels(request.command).set(breakers.open)
        about = {"command": request.command, "tenant": request.tenant}
        if hold is None:
            if self._logged.pop(whose, None):
                log.info("advisor command resumed", **about)
        elif self._logged.get(whose) is not hold:
            self._logged[whose] = hold
            cause = {"why": str(hold), "fails_for_others": breakers.doubted, "last": reply.ended, "detail": reply.detail}
            log.warning("advisor command suspended", **about, **cause)

    async def _run(self, command: Command, request: Request, seconds: float) -> Reply:
        try:
            folder = Path(tempfile.mkdtemp(prefix="runwatchman-consult-"))
        except OSError as error:
            return Reply(Ended.FAILED, detail=f"the command's folder could not be created: {error}")
        passed = command.kept_environment
        try:
            invocation = command.invocation(request, folder)
            finish = await self._processes.run(invocation, folder, passed, seconds)
            reply = _reply(finish, command, folder)
        except UNREADABLE as error:
            reply = Reply(
                Ended.FAILED, detail=f"the command could not be run or its envelope not read: {type(error).__name__}: {error}"
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return replace(reply, detail=clean(reply.detail, secrets=[os.environ.get(name, "") for name in passed]))


def _reply(finish: Finish, command: Command, folder: Path) -> Reply:
    if finish.ended is not None:
        return Reply(finish.ended, detail=finish.detail)
    reply = command.read(finish.code, finish.stdout, finish.stderr, folder)
    if reply.ended is Ended.ANSWERED and len(reply.output) > MAX_OUTPUT_BYTES:
        flaw = f"the answer has {len(reply.output)} bytes, at most {MAX_OUTPUT_BYTES} are accepted"
        reply = replace(reply, ended=Ended.TOO_LONG, detail=flaw)
    output = reply.output if reply.ended is Ended.ANSWERED else b""
    return Reply(reply.ended, output, reply.detail, clean(reply.model), consumption=_plausible(reply.consumption))


def _plausible(consumption: Consumption) -> Consumption:
    """Return a command's reported consumption without impossible values: it is counted in metrics and stored in a database."""
    return Consumption(**{name: value for name, value in asdict(consumption).items() if _countable(value)})


def _countable(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT
