"""One caller of the page: the access to the API server with the caller's rights, and the watches that the caller's tabs share."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.session import ESCALATIONS, RUNS
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import Api, ApiServer, collection, path_of
from controller.cli.web.door import Refusal
from controller.cli.web.escalation_entries import EscalationEntry, entry_of
from controller.cli.web.pages.usage_line import UsageSamples
from controller.cli.web.recently import Recently
from controller.cli.web.run_rows import RunRow, row_of
from controller.cli.web.watched import Watched

LINGER_SECONDS = 30.0
"""Time that a watch continues after its last tab: a reload, or the next page, finds it."""

FIRST_WAIT_SECONDS = 0.6
"""Time that a page waits for the first list; a page that is sent earlier says how much is still to come."""

IDENTITY_SECONDS = 60.0
"""Time for which the API server's words on who the caller is are believed."""

MAX_COMMANDS = 2
"""Commands in containers that a caller runs at a time; others wait."""

MAX_STREAMS = 60
"""Live pages and logs of one user at a time, whatever tokens the user has."""

MAX_ALL_STREAMS = 320
"""Live pages and logs of all users at a time."""

MAX_WATCHES = 20
"""Watches of one caller at a time; each holds a connection to the API server."""


@dataclass
class Shared:
    """A watch with the number of its users."""

    watched: Watched[Any]
    task: asyncio.Task[None]
    users: int = 0
    ending: asyncio.TimerHandle | None = None


@dataclass
class Caller:
    """A person, or the program that a person runs: one bearer token, or one kubeconfig."""

    api: Api
    streams: int = 0
    shared: dict[str, Shared] = field(default_factory=dict)
    recent: Recently = field(default_factory=Recently)
    usage: UsageSamples = field(default_factory=UsageSamples)
    commands: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_COMMANDS))
    _me: JsonObject = field(default_factory=dict)
    _me_until: float = 0.0
    _checked_until: float = 0.0

    @contextmanager
    def runs(self, namespace: str = "") -> Iterator[Watched[RunRow]]:
        """Use the rows of all Runs, or of a namespace's if the caller may not list all."""
        with self._use(RUNS, namespace, row_of) as watched:
            yield watched

    @contextmanager
    def escalations(self, namespace: str = "") -> Iterator[Watched[EscalationEntry]]:
        """Use the escalations that wait, and those that were answered while somebody watched."""
        with self._use(ESCALATIONS, namespace, entry_of) as watched:
            yield watched

    async def me(self) -> JsonObject:
        """Return the API server's `userInfo` of the caller: username and groups."""
        if time.monotonic() > self._me_until:
            kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            path = path_of("apis", "authentication.k8s.io", "v1", "selfsubjectreviews")
            found = await self.api.send("POST", path, kind)
            self._me, self._me_until = found["status"]["userInfo"], time.monotonic() + IDENTITY_SECONDS
        return self._me

    async def check(self) -> None:
        """Raise Refused if the API server does not accept the caller's credentials any more. It is asked about once a minute."""
        if time.monotonic() < self._checked_until:
            return
        try:
            await self.me()
        except Problem as problem:
            if isinstance(problem, Refused) and problem.reason == "Unauthorized":
                raise
        self._checked_until = time.monotonic() + IDENTITY_SECONDS

    @property
    def user(self) -> str:
        """The user name that the API server sees, empty before it was asked."""
        return str(self._me.get("username", ""))

    @property
    def idle(self) -> bool:
        """Whether no page uses anything of this caller."""
        return not self.shared and not self.streams

    def close(self) -> None:
        """End the watches."""
        for shared in self.shared.values():
            shared.task.cancel()
            if shared.ending:
                shared.ending.cancel()
        self.shared.clear()

    @contextmanager
    def _use(self, resource: str, namespace: str, entry: Callable[[JsonObject], Any]) -> Iterator[Watched[Any]]:
        path = collection(resource, namespace)
        shared = self.shared.get(path) or self._open(path, entry)
        shared.users += 1
        if shared.ending:
            shared.ending.cancel()
        try:
            yield shared.watched
        finally:
            shared.users -= 1
            if not shared.users:
                shared.ending = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._end, path, shared)

    def _open(self, path: str, entry: Callable[[JsonObject], Any]) -> Shared:
        if len(self.shared) >= MAX_WATCHES:
            raise Problem("you look at too many namespaces at a time", f"close some pages, and try again in {LINGER_SECONDS:.0f} s")
        watched: Watched[Any] = Watched(self.api, path, entry)
        self.shared[path] = Shared(watched, watched.start())
        return self.shared[path]

    def _end(self, path: str, shared: Shared) -> None:
        if not shared.users and self.shared.get(path) is shared:
            del self.shared[path]
            shared.task.cancel()


class Callers:
    """All callers, by their tokens; without a token there is one, whose credentials kubectl's proxy adds."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._client: aiohttp.ClientSession | None = None
        self._callers: dict[str, Caller] = {}

    def of(self, token: str) -> Caller:
        """Return the caller with a token. Callers that nobody uses are forgotten."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        for known in [key for key, caller in self._callers.items() if caller.idle and key != digest]:
            del self._callers[known]
        if digest not in self._callers:
            self._callers[digest] = Caller(Api(self._connections(), self._server.url, token))
        return self._callers[digest]

    @contextmanager
    def streaming(self, caller: Caller) -> Iterator[None]:
        """Count a stream of a caller. Raises Refusal for one too many of the user, or of all."""
        known = self._callers.values()
        if sum(other.streams for other in known if other is caller or (caller.user and other.user == caller.user)) >= MAX_STREAMS:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, f"{MAX_STREAMS} live pages of yours are open: close some")
        if sum(other.streams for other in known) >= MAX_ALL_STREAMS:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_ALL_STREAMS} live pages are open: try again later")
        caller.streams += 1
        try:
            yield
        finally:
            caller.streams -= 1

    def _connections(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = self._server.client()
        return self._client

    async def close(self) -> None:
        """End all watches and connections."""
        for caller in self._callers.values():
            caller.close()
        self._callers.clear()
        if self._client is not None:
            await self._client.close()


def problem_of(*watches: Watched[Any]) -> Problem | None:
    """Return the first problem of some watches."""
    return next((watched.problem for watched in watches if watched.problem), None)
