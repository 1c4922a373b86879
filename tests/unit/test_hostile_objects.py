"""Any JSON that the API server stores leaves the operator alive and synced, and good objects are handled as always."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.api.phases import Phase
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.connection import Connection, connect
from controller.kube.reflector import Reflector
from controller.kube.resources import AGENT_REPORTS, ESCALATIONS, PODS, RUN_POLICIES, RUNS, Resource
from controller.kube.responses import Subscription
from controller.kube.session import WatchSession
from controller.plan import plan
from controller.reconcile.observer import Observer
from controller.status.status import build_status
from controller.store.status_store import StatusStore
from tests.hostile import Hostile, objects
from tests.unit.kube.conftest import write_kubeconfig

COUNT, SEED = 10_000, 16
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BY_KOPF = (RUN_POLICIES, ESCALATIONS, RUNS)
BY_US = (PODS, AGENT_REPORTS)
LAST = "999999999"


class Stream:
    """An API server with these objects: it lists half of each resource in pages, and streams the rest to watches."""

    def __init__(self, made: list[Hostile]) -> None:
        self.of: dict[str, list[bytes]] = defaultdict(list)
        for each in made:
            self.of[each.resource].append(each.data)
        self.streamed: Counter[str] = Counter()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        listed, rest = self.of[plural][::2], self.of[plural][1::2]
        if "watch" in request.query:
            return await self._stream(request, plural, rest)
        start, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        page, end = listed[start : start + limit], start + limit
        token = f',"continue":"{end}"' if end < len(listed) else ""
        body = b'{"metadata":{"resourceVersion":"1"%s},"items":[%s]}' % (token.encode(), b",".join(page))
        return web.Response(body=body, content_type="application/json")

    async def _stream(self, request: web.Request, plural: str, rest: list[bytes]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for data in rest:
            await response.write(b'{"type":"ADDED","object":%s}\n' % data)
        marker = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": LAST}}}
        await response.write(json.dumps(marker).encode() + b"\n")
        self.streamed[plural] += 1
        await asyncio.Event().wait()
        return response


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[tuple[Stream, Client, Connection, list[Hostile]]]:
    """The server with its objects, and a client for it."""
    made = list(objects(COUNT, SEED))
    stream = Stream(made)
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", stream.handle)
    async with TestServer(app, shutdown_timeout=0) as server:
        connection = await connect(write_kubeconfig(tmp_path / "kubeconfig", str(server.make_url("")).rstrip("/")))
        async with Client(connection) as client:
            yield stream, client, connection, made


async def as_kopf_does(session: WatchSession, resource: Resource) -> None:
    """List, then watch up to the last event, decoding each line as kopf does. The session fills the sink."""
    limit = aiohttp.ClientTimeout(total=None)
    url = resource.path()
    listed = await (await session.request("get", url, timeout=limit)).json()
    version = listed["metadata"]["resourceVersion"]
    async with await session.request("get", f"{url}?watch=true&resourceVersion={version}", timeout=limit) as answer:
        async for chunk in answer.content.iter_chunked(2**20):
            event = json.loads(chunk)
            assert event["type"] == "BOOKMARK", "kopf sees no object"
            if event["object"]["metadata"]["resourceVersion"] == LAST:
                return


async def until_synced(client: Client, resource: Resource, sink: Any, stream: Stream) -> None:
    """Let a reflector list and watch until the server has sent all."""
    reflector = Reflector(client, resource, (None,), sink)
    running = asyncio.create_task(reflector.run())
    await reflector.synced.wait()
    while len(set(sink.items) | unread[resource.plural]) < len(stream.of[resource.plural]):
        assert not running.done(), running.exception()
        await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


unread: dict[str, set[str]] = defaultdict(set)


async def test_ten_thousand_hostile_objects(scene: tuple[Stream, Client, Connection, list[Hostile]]) -> None:
    """Each object is kept or marked as unreadable; every good one is judged; every Run has a plan and a status; the loop turns."""
    stream, client, connection, made = scene
    unread.clear()
    turned = 0

    def note(resource: str, obj: JsonObject, _: str) -> None:
        unread[resource].add(obj["metadata"]["uid"])

    async def turn() -> None:
        nonlocal turned
        while True:
            await asyncio.sleep(0)
            turned += 1

    inventory = RunCache(lambda _: None, note)
    shelves: dict[Resource, Any] = {
        RUN_POLICIES: inventory.policies,
        ESCALATIONS: inventory.escalations,
        RUNS: inventory.runs,
        PODS: inventory.pods,
        AGENT_REPORTS: inventory.reports,
    }
    turning = asyncio.create_task(turn())

    subscriptions = {resource.path(): Subscription(resource, None, shelves[resource]) for resource in BY_KOPF}
    session = WatchSession(connection, client, subscriptions)
    for resource in BY_KOPF:
        await as_kopf_does(session, resource)
    for resource in BY_US:
        await until_synced(client, resource, shelves[resource], stream)
    await session.close()
    for each in made:
        uid = json.loads(each.data)["metadata"]["uid"] if each.good else ""
        assert not uid or uid not in unread[each.resource], f"a good object was not judged: {each.data[:500]!r}"
    plural = {resource.plural: resource for resource in shelves}
    for name, resource in plural.items():
        found = set(shelves[resource].items) | unread[name]
        assert len(found) == len(stream.of[name]), f"some {name} are neither kept nor noted"
        assert len(unread[name]) < len(found), f"all {name} are unreadable: the test proves nothing"
    assert unread["runs"], "no Run is unreadable: the test proves nothing"
    phases = await planned(inventory)
    assert phases[Phase.BLOCKED] > len(unread["runs"]), "what is wrong with a Run is seen on it"
    assert phases.total() == len(inventory.runs.items)
    assert turned > 100, "others had their turns"
    turning.cancel()


async def planned(inventory: RunCache) -> Counter[Phase]:
    """Make a plan and a status for every Run, as passes do from the caches, and return the phases."""
    store = StatusStore(cast(Client, None))
    observer = Observer(cast(Client, NoNodes()), inventory, store, PolicyFileWatcher(None))
    phases: Counter[Phase] = Counter()
    for uid, kept in inventory.runs.items.items():
        seen = await observer.cached(RunKey(kept.namespace, kept.name, uid))
        decision = plan(seen.snapshot, NOW)
        status = build_status(seen.snapshot, decision, [], seen.run.get("status", {}), NOW)
        json.dumps(status, allow_nan=False)
        phases[Phase(status["phase"])] += 1
    return phases


class NoNodes:
    """A client for which every node exists and is ready."""

    def server_now(self) -> datetime:
        return NOW

    async def get(self, *_: object) -> JsonObject:
        ready = {"type": "Ready", "status": "True"}
        return {"metadata": {"name": "node"}, "status": {"conditions": [ready]}}
