"""The page over the stories of tests/unit/rw, at their time: always the same content, for the pictures in the docs and for looks.

The page's server is the real one. Its API server answers from the stories, and a log of its own.
"""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from aiohttp import web

from controller.api.names import LABEL_RUN
from controller.cli.rw.objects import JsonObject, name_of, namespace_of
from controller.cli.web.api_access import ApiServer
from controller.cli.web.local_server import application
from controller.cli.web.visit import View, Visit
from tests.unit.rw.stories import NAMES, NOW, story

ME = {"username": "alice", "groups": ["system:authenticated"]}
KEY = "opens-once"
Objects = dict[str, list[JsonObject]]


def recorded() -> Objects:
    """Return the objects of all stories by their resource."""
    found: Objects = {kind: [] for kind in ("runs", "escalations", "agentreports", "pods", "events", "runpolicies", "halts")}
    for name in NAMES:
        told = story(name)
        run = told.run
        space = {"namespace": namespace_of(run), "resourceVersion": "1"}
        owned = space | {"ownerReferences": [{"uid": run["metadata"]["uid"], "controller": True}]}
        mine = {LABEL_RUN: name_of(run)}
        found["runs"].append(_with(run, space))
        found["pods"] += [_with(pod, owned, mine) for pod in told.around.pods]
        found["escalations"] += [_with(each, space | {"uid": name_of(each)}) for each in told.around.escalations]
        found["agentreports"] += [_with(each, space) for each in told.around.reports]
        found["events"] += [_with(each, space) for each in told.around.events]
        found["runpolicies"] += [_with(told.around.policy, space)] if told.around.policy else []
    return found


def _with(obj: JsonObject, meta: JsonObject, labels: JsonObject | None = None) -> JsonObject:
    made = copy.deepcopy(obj)
    made["metadata"] = meta | made.get("metadata", {})
    made["metadata"]["labels"] = made["metadata"].get("labels", {}) | (labels or {})
    return made


class Control:
    """Changes what the API server has, and what goes wrong: it is away, so that its watches end, or gives no logs."""

    def __init__(self, objects: Objects) -> None:
        self.away = self.logs_refused = False
        self.changes: list[tuple[str, JsonObject]] = []
        self.changed = asyncio.Event()
        self._objects, self._loop = objects, asyncio.get_running_loop()

    def go_away(self) -> None:
        """Begin to be away, from any thread."""
        self.away = True
        self._loop.call_soon_threadsafe(self._wake)

    def come_back(self) -> None:
        """Be there, from any thread."""
        self.away = False

    def change(self, kind: str, name: str, how: Callable[[JsonObject], object]) -> None:
        """Change an object, from any thread; watches report it."""
        at = next(at for at, obj in enumerate(self._objects[kind]) if name_of(obj) == name)
        made = copy.deepcopy(self._objects[kind][at])
        how(made)
        made["metadata"]["resourceVersion"] = str(int(made["metadata"]["resourceVersion"]) + 1)
        self._objects[kind][at] = made
        self.changes.append((kind, made))
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


FORBIDDEN = 'pods "x" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "team-a"'


def api(objects: Objects, log: bytes, control: Control) -> web.Application:
    """Return an API server that knows these objects, and one log for every pod. Its watches report changes, also those by PATCH."""

    async def get(request: web.Request) -> web.StreamResponse:
        if control.away:
            return web.json_response({"reason": "ServiceUnavailable", "message": "the server is shutting down"}, status=503)
        kind, space, name = (request.match_info.get(key, "") for key in ("kind", "space", "name"))
        found = [obj for obj in objects.get(kind, []) if space in ("", namespace_of(obj))]
        if request.match_info.get("log") and control.logs_refused:
            return web.json_response({"reason": "Forbidden", "message": FORBIDDEN}, status=403)
        if request.match_info.get("log"):
            return web.Response(body=log)
        if request.query.get("watch"):
            return await _watch(request, kind, control)
        if not name:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [o for o in found if _fits(o, request.query)]})
        one = next((obj for obj in found if name_of(obj) == name), None)
        missing = {"reason": "NotFound", "message": f"{kind} {name} not found"}
        return web.json_response(one) if one else web.json_response(missing, status=404)

    async def patch(request: web.Request) -> web.StreamResponse:
        kind, name, spec = request.match_info["kind"], request.match_info["name"], (await request.json())["spec"]
        control.change(kind, name, lambda obj: obj["spec"].update(spec))
        return await get(request)

    made = web.Application()
    made.router.add_post("/apis/authentication.k8s.io/v1/selfsubjectreviews", _whoami)
    for root in ("/api/v1", "/apis/runwatchman.dev/v1alpha1"):
        for path in ("/{kind}", "/namespaces/{space}/{kind}", "/namespaces/{space}/{kind}/{name}"):
            made.router.add_get(root + path, get)
        made.router.add_get(root + "/namespaces/{space}/{kind}/{name}/{log:log}", get)
        made.router.add_patch(root + "/namespaces/{space}/{kind}/{name}", patch)
    return made


async def _whoami(_: web.Request) -> web.StreamResponse:
    return web.json_response({"status": {"userInfo": ME}})


async def _watch(request: web.Request, kind: str, control: Control) -> web.StreamResponse:
    response, seen = web.StreamResponse(), len(control.changes)
    await response.prepare(request)
    while not control.away:
        woken = control.changed
        for changed, obj in control.changes[seen:]:
            if changed == kind:
                await response.write(json.dumps({"type": "MODIFIED", "object": obj}).encode() + b"\n")
        seen = len(control.changes)
        await woken.wait()
    return response


def _fits(obj: JsonObject, query: Any) -> bool:
    """Whether an object belongs to what a selector asks for: to the Run of that name, or to that object."""
    label, field = query.get("labelSelector", ""), query.get("fieldSelector", "")
    if field:
        return bool(obj.get("involvedObject", {}).get("uid") == field.partition("=")[2])
    run = label.partition("=")[2]
    own = obj.get("spec", {}).get("runName") or name_of(obj).partition("-")[0]
    return not run or own == run


@dataclass(frozen=True)
class Recorded:
    """The page's address, and the one that opens a session."""

    origin: str
    api: Control

    @property
    def start(self) -> str:
        """Opens a session, once."""
        return f"{self.origin}/start/{KEY}"


@contextmanager
def recorded_page(log: bytes = b"") -> Iterator[Recorded]:
    """Serve the page over the stories, at their time, from a thread."""
    loop, started, made = asyncio.new_event_loop(), threading.Event(), list[Recorded]()

    async def serve() -> None:
        objects = recorded()
        control = Control(objects)
        upstream = await _listening(api(objects, log, control))
        free = await _listening(web.Application())
        await free.runner.cleanup()
        view = View("", "default")
        page = await _listening(application(ApiServer(f"http://127.0.0.1:{upstream.port}"), free.port, KEY, view), free.port)
        made.append(Recorded(f"http://127.0.0.1:{page.port}", control))
        started.set()
        await stopping.wait()
        await page.runner.cleanup()
        await upstream.runner.cleanup()

    stopping = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    with patch.object(Visit, "now", NOW):
        thread.start()
        assert started.wait(30)
        yield made[0]
        loop.call_soon_threadsafe(stopping.set)
        thread.join(30)
    loop.close()


@dataclass(frozen=True)
class _Listening:
    runner: web.AppRunner
    port: int


async def _listening(app: web.Application, port: int = 0) -> _Listening:
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return _Listening(runner, runner.addresses[0][1])
