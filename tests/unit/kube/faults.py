"""A scripted API server that misbehaves. Fakes are for faults only; tests/api uses the real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import web

from controller.kube.resources import RUNS

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

NAMESPACES = {"name": "namespaces", "kind": "Namespace", "singularName": "namespace", "namespaced": False, "verbs": ["list"]}
OURS = {"name": "runs", "kind": "Run", "singularName": "run", "namespaced": True, "verbs": ["list", "watch"]}
ONLY_VERSION = {"version": RUNS.version}
DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": [NAMESPACES]},
    "/apis": {"groups": [{"name": RUNS.group, "versions": [ONLY_VERSION], "preferredVersion": ONLY_VERSION}]},
    f"/apis/{RUNS.group}/{RUNS.version}": {"resources": [OURS]},
}
"""What kopf asks before it watches Runs, in any order."""


class FaultyServer:
    """Answers each request with the next of its scripted answers; it has Runs, by its discovery."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        self.asked.append(f"{request.method} {request.path_qs}")
        if not self.answers:
            await asyncio.Event().wait()
        return await self.answers.pop(0)(request)


def says(code: int, reason: str = "", body: str = "") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        text = body or json.dumps({"kind": "Status", "reason": reason, "message": f"because {reason}"})
        return web.Response(status=code, text=text, content_type="application/json")

    return answer


def listing(*names: str, version: str = "10", token: str = "") -> Answer:
    objects = [{"metadata": {"name": name, "uid": name, "resourceVersion": "1"}} for name in names]
    metadata = {"resourceVersion": version} | ({"continue": token} if token else {})
    return says(200, body=json.dumps({"items": objects, "metadata": metadata}))


def watching(*events: dict[str, Any], then: str = "", endless: bool = False) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        if then:
            await response.write(then.encode())
        if endless:
            await asyncio.Event().wait()
        return response

    return answer


def event(kind: str, name: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "uid": name, "resourceVersion": version}}}


class Told:
    """A sink that records the events that it receives."""

    def __init__(self, enough: int) -> None:
        self.calls: list[Any] = []
        self._enough = enough
        self.satisfied = asyncio.Event()

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        if len(self.calls) >= self._enough:
            self.satisfied.set()

    def upsert(self, obj: dict[str, Any]) -> None:
        self.note("upsert", obj["metadata"]["name"])

    def remove(self, obj: dict[str, Any]) -> None:
        self.note("remove", obj["metadata"]["name"])

    def retain(self, namespace: str | None, uids: Collection[str], resource_version: str) -> None:
        self.note("retain", {*uids}, resource_version)


GONE = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
