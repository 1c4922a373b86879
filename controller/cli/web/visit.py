"""One look at a page: the caller, the namespaces in view, and the watches that the page shows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import Api
from controller.cli.web.caller import FIRST_WAIT_SECONDS, Caller, problem_of
from controller.cli.web.escalation_entries import EscalationEntry
from controller.cli.web.executing import Execute
from controller.cli.web.run_rows import RunRow
from controller.cli.web.watched import Watched
from controller.cli.web.websocket_exec import by_websocket

NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass
class Visit:
    """A look at a page, once or live. `space` is the only namespace in view, empty for all; `home` is used if all are too many."""

    caller: Caller
    query: Mapping[str, str]
    names: Mapping[str, str]
    space: str = ""
    home: str = ""
    csrf: str = ""
    execute: Execute = by_websocket
    watches: dict[str, Watched[Any]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the watches to others."""
        self._stack.close()
        self.watches.clear()

    @property
    def api(self) -> Api:
        """The API server with the caller's rights."""
        return self.caller.api

    @property
    def now(self) -> datetime:
        """The time of this machine, from which ages are computed, as `kubectl rw` does."""
        return datetime.now(UTC)

    async def runs(self) -> Watched[RunRow]:
        """Return the rows of the Runs in view, which wake this page. Raises Problem if the caller may list none."""
        return await self._watched("runs", self.caller.runs)

    async def escalations(self) -> Watched[EscalationEntry]:
        """Return the escalations in view, which wake this page. Raises Problem if the caller may list none."""
        return await self._watched("escalations", self.caller.escalations)

    @property
    def problem(self) -> Problem | None:
        """What keeps this page from being up to date."""
        return problem_of(*self.watches.values())

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of all that this page shows."""
        return tuple(watched.version for watched in self.watches.values())

    async def change_after(self, versions: tuple[int, ...], seconds: float) -> None:
        """Wait until something that this page shows has changed, at most some seconds."""
        pairs = zip(self.watches.values(), versions, strict=False)
        waiting = [asyncio.create_task(watched.change_after(version)) for watched, version in pairs]
        try:
            await (
                asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED) if waiting else asyncio.sleep(seconds)
            )
        finally:
            for task in waiting:
                task.cancel()

    async def _watched(self, kind: str, use: Callable[[str], AbstractContextManager[Watched[Any]]]) -> Watched[Any]:
        if kind not in self.watches:
            self.watches[kind] = await self._entered(use, self.space)
            if self.watches[kind].denied and not self.space and self._narrower:
                self.watches[kind] = await self._entered(use, self._narrower)
        if (problem := self.watches[kind].problem) and not self.watches[kind].complete:
            raise problem
        return self.watches[kind]

    async def _entered(self, use: Callable[[str], AbstractContextManager[Watched[Any]]], namespace: str) -> Watched[Any]:
        watched = self._stack.enter_context(use(namespace))
        await watched.until_complete(FIRST_WAIT_SECONDS)
        return watched

    @property
    def _narrower(self) -> str:
        """The namespace to look at if the caller may not look at all."""
        asked = self.names.get("namespace") or self.query.get("namespace", "")
        return asked if NAMESPACE.fullmatch(asked) else self.home


@dataclass(frozen=True, slots=True)
class View:
    """What every page of a server has in common: the only namespace in view, the one to look at if all are too many, and how
    commands run in containers.
    """

    space: str = ""
    home: str = ""
    login: bool = False
    execute: Execute = by_websocket


Model = Callable[[Visit], Awaitable[Mapping[str, Any]]]
Stamp = Callable[[Visit], object]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path, the template of its frame, the template of what is live in it, and the values for both.

    `stamp` is compared after each change of the watches, and the page is made again if it differs; without one, always.
    """

    path: str
    title: str
    template: str
    live: str
    model: Model
    stamp: Stamp | None = None
