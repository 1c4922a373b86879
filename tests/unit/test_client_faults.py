"""The client and the reflector against an API server that misbehaves. Fakes are for faults only; see tests/api for the real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from controller.cluster import reflector as reflecting
from controller.cluster.client import Client
from controller.cluster.connection import Connection
from controller.cluster.errors import AlreadyExists, Conflict, Forbidden, Gone, Invalid, NotFound, Unavailable
from controller.cluster.reflector import Reflector
from controller.cluster.resources import PODS

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultyServer:
    """Answers each request with the next of its scripted answers."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if not self.answers:
            await asyncio.Event().wait()
        return await self.answers.pop(0)(request)


@pytest.fixture
async def faulty() -> FaultyServer:
    return FaultyServer()


@pytest.fixture
async def client(faulty: FaultyServer) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", faulty.handle)
    async with TestServer(app, shutdown_timeout=0) as server:
        configuration: Any = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")

        async def nobody() -> None:
            return None

        async with Client(Connection(configuration, "default", nobody)) as opened:
            yield opened


def says(code: int, reason: str = "", body: str = "") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        text = body or json.dumps({"kind": "Status", "reason": reason, "message": f"because {reason}"})
        return web.Response(status=code, text=text)

    return answer


def listing(*names: str, version: str = "10", token: str = "") -> Answer:
    objects = [{"metadata": {"name": name, "uid": name, "resourceVersion": "1"}} for name in names]
    metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
    return says(200, body=json.dumps({"items": objects, "metadata": metadata}))


def watching(*events: dict[str, Any], then: str = "") -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        if then:
            await response.write(then.encode())
        return response

    return answer


def event(kind: str, name: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "uid": name, "resourceVersion": version}}}


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
    ],
)
async def test_errors_are_told_apart(client: Client, faulty: FaultyServer, code: int, reason: str, error: type[Exception]) -> None:
    """Each answer is its own error, whose text names the request and the server's words."""
    faulty.answers = [says(code, reason)]
    with pytest.raises(error, match=f"POST /api/v1/namespaces/ns/pods: {code} {reason}: because {reason}"):
        await client.create(PODS, "ns", {})
    assert len(faulty.asked) == 1, "a write is never repeated"


async def test_an_answer_that_is_no_json_is_still_an_error(client: Client, faulty: FaultyServer) -> None:
    """A proxy's page in place of a Status is shown as it is."""
    faulty.answers = [says(502, body="<html>bad gateway</html>")]
    with pytest.raises(Unavailable, match="bad gateway"):
        await client.get(PODS, "ns", "x")


async def test_failed_patch_test_is_a_conflict(client: Client, faulty: FaultyServer) -> None:
    """A JSON patch whose `test` fails means that the object is another than expected."""
    faulty.answers = [says(422, "Invalid")]
    with pytest.raises(Conflict):
        await client.json_patch(PODS, "ns", "x", [])


async def test_a_list_that_expires_midway_starts_over(client: Client, faulty: FaultyServer) -> None:
    """A continue token that is too old loses nothing and doubles nothing."""
    faulty.answers = [listing("a", token="t"), says(410, "Expired"), listing("a", token="u"), listing("b", version="12")]
    found = await client.list_all(PODS)
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert found.resource_version == "12"


class Told:
    """A sink that remembers what it was told."""

    def __init__(self, enough: int) -> None:
        self.calls: list[Any] = []
        self._enough = enough
        self.satisfied = asyncio.Event()

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        if len(self.calls) >= self._enough:
            self.satisfied.set()

    def replace(self, namespace: str | None, objects: list[dict[str, Any]], resource_version: str) -> None:
        self.note("replace", [obj["metadata"]["name"] for obj in objects], resource_version)

    def upsert(self, obj: dict[str, Any]) -> None:
        self.note("upsert", obj["metadata"]["name"])

    def remove(self, obj: dict[str, Any]) -> None:
        self.note("remove", obj["metadata"]["name"])


GONE = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}


FAULTS = {
    "410": (watching(GONE), "list"),
    "cut line": (watching(then='{"type": "ADD'), "list"),
    "500": (says(500, "InternalError"), "list"),
    "429": (says(429, "TooManyRequests"), "list"),
    "closed in the ordinary way": (watching(event("MODIFIED", "a", "11")), "watch"),
}


@pytest.mark.parametrize(("fault", "follows"), FAULTS.values(), ids=FAULTS)
async def test_a_lost_watch_is_made_good(
    client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch, fault: Answer, follows: str
) -> None:
    """Whatever ends a watch, a list or (after an ordinary end) a new watch follows, and what happened meanwhile is told."""
    monkeypatch.setattr(reflecting, "FIRST_BACKOFF_SECONDS", 0.001)
    last = watching(event("ADDED", "c", "13"), event("DELETED", "a", "14"))
    faulty.answers = [listing("a"), fault, *([listing("a", "b")] if follows == "list" else []), last]
    sink = Told(enough=4)
    reflector = Reflector(client, PODS, [None], sink)
    task = asyncio.create_task(reflector.run())
    async with asyncio.timeout(10):
        await sink.satisfied.wait()
    task.cancel()
    assert reflector.synced.is_set()
    assert sink.calls[0] == ("replace", ["a"], "10")
    assert ("upsert", "c") in sink.calls
    assert ("remove", "a") in sink.calls


async def test_a_refused_watch_ends_the_reflector(client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When RBAC keeps refusing, the reason comes out instead of an endless silence."""
    monkeypatch.setattr(reflecting, "FIRST_BACKOFF_SECONDS", 0.001)
    faulty.answers = [says(403, "Forbidden")] * reflecting.HOPELESS_TRIES
    with pytest.raises(ExceptionGroup) as caught:
        await Reflector(client, PODS, [None], Told(1)).run()
    assert isinstance(caught.value.exceptions[0], Forbidden)
