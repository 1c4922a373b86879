"""A list and a watch of one kind of objects, shared by all pages of a caller: what they show of each object, and who waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import Api, TooLarge

log = logging.getLogger(__name__)

E = TypeVar("E")
Key = tuple[str, str]
"""Namespace and name."""

PAGE = 500
"""Objects of one page of a list."""

WATCH_SECONDS = 110
"""Time after which the API server ends a watch, which then resumes if the caller still may watch."""

SILENT_SECONDS = 150.0
"""Longest silence of a watch; the API server sends a bookmark about once a minute."""

RETRY_SECONDS = (0.5, 15.0)
"""First and longest pause after a failure."""

EXPIRED = frozenset({"Expired", "Gone"})
"""Reasons for which a list begins again."""


class Watched(Generic[E]):
    """What pages show of all objects under a path. `entry` returns it for an object, None for one that no page shows."""

    def __init__(self, api: Api, path: str, entry: Callable[[JsonObject], E | None]) -> None:
        self._api, self._path, self._entry = api, path, entry
        self.entries: dict[Key, E] = {}
        self.version = 0
        self.complete = False
        self.remaining: int | None = None
        self.problem: Problem | None = None
        self._changed = asyncio.Event()
        self._since = ""

    def start(self) -> asyncio.Task[None]:
        """Start to list and watch; the task ends only when it is cancelled."""
        return asyncio.create_task(self._run(), name=f"watch of {self._path}")

    async def until_complete(self, seconds: float) -> None:
        """Wait until the first list is complete or fails, at most some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.complete and self.problem is None:
                    await self._changed.wait()

    async def change_after(self, version: int) -> None:
        """Wait until there is a later version than this."""
        while self.version == version:
            await self._changed.wait()

    @property
    def denied(self) -> bool:
        """Whether the caller may not list these objects."""
        return isinstance(self.problem, Refused) and self.problem.denied is not None

    @property
    def logged_out(self) -> bool:
        """Whether the API server does not accept the caller's credentials any more."""
        return isinstance(self.problem, Refused) and self.problem.reason == "Unauthorized"

    def _publish(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self) -> None:
        pause, longest = RETRY_SECONDS
        while True:
            try:
                await self._list()
                pause = RETRY_SECONDS[0]
                await self._watch_on()
            except Problem as problem:
                if isinstance(problem, Refused) and problem.reason in EXPIRED:
                    continue
                self._fail(problem)
            except (KeyError, TypeError, ValueError):
                self._fail(Problem("the API server's answer cannot be read", "check that its address is right"))
            if self.problem is not None:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # spreads retries
                pause = min(longest, pause * 2)

    async def _list(self) -> None:
        """Read all objects, page by page. The pages of the first list are shown as they come."""
        found: dict[Key, E] = {} if self.complete else self.entries
        found.clear()
        params: dict[str, str | int] = {"limit": PAGE}
        while True:
            try:
                page = await self._api.get(self._path, params)
            except TooLarge:
                if params["limit"] == 1:
                    raise
                params["limit"] = max(1, int(params["limit"]) // 4)
                continue
            meta = page.get("metadata", {})
            for obj in page.get("items", ()):
                self._put(found, obj)
            params["continue"], self.remaining = meta.get("continue", ""), meta.get("remainingItemCount")
            if not params["continue"]:
                break
            self._publish()
            await asyncio.sleep(0)
        self.entries, self._since = found, meta.get("resourceVersion", "")
        self.complete, self.remaining, self.problem = True, None, None
        self._publish()

    async def _watch_on(self) -> None:
        """Follow the changes. A watch that the API server ends resumes, and so does one without any sign of life."""
        while True:
            params: dict[str, str | int] = {"watch": "true", "allowWatchBookmarks": "true"}
            params |= {"resourceVersion": self._since, "timeoutSeconds": WATCH_SECONDS}
            with contextlib.suppress(TimeoutError):
                async with self._api.open("GET", self._path, params, silence=SILENT_SECONDS) as response:
                    self._recovered()
                    async for events in _events(response):
                        for event in events:
                            self._take(event)
                        self._publish()

    def _fail(self, problem: Problem) -> None:
        """Record a problem. What the caller may not see any more is forgotten."""
        self.problem = problem
        if self.denied or self.logged_out:
            self.entries.clear()
            self.complete = False
        self._publish()

    def _recovered(self) -> None:
        if self.problem is not None:
            self.problem = None
            self._publish()

    def _take(self, event: JsonObject) -> None:
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise Refused(str(obj.get("message", "the watch failed")), reason=str(obj.get("reason", "")))
        if kind == "DELETED":
            self.entries.pop(_key(obj), None)
        elif kind != "BOOKMARK":
            self._put(self.entries, obj)
        self._since = obj["metadata"]["resourceVersion"]

    def _put(self, entries: dict[Key, E], obj: JsonObject) -> None:
        made = self._read(obj)
        if made is None:
            entries.pop(_key(obj), None)
        else:
            entries[_key(obj)] = made

    def _read(self, obj: JsonObject) -> E | None:
        """Return what pages show of an object. One that cannot be read is logged and left out; the others are shown."""
        try:
            return self._entry(obj)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            namespace, name = _key(obj)
            log.warning("an object under %s cannot be shown: %s/%s: %r", self._path, namespace, name, error)
            return None


def _key(obj: JsonObject) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[list[Any]]:
    """Yield the events that came together."""
    rest = bytearray()
    async for part in response.content.iter_any():
        rest += part
        end = rest.rfind(b"\n")
        if end >= 0:
            lines = bytes(rest[:end]).split(b"\n")
            del rest[: end + 1]
            yield [orjson.loads(line) for line in lines if line.strip()]
