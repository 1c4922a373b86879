"""One tenant: a namespace whose Runs and pods are watched, with the actions of its users and nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from controller.api.base import JsonObject
from controller.api.names import API_VERSION, LABEL_ATTEMPT, LABEL_RUN, REPORTER_CONTAINER, report_name
from controller.kube.resources import AGENT_REPORTS, PODS, RUNS
from tests.bench.kubelet import end
from tests.bench.load import watching
from tests.bench.scale.reports import MERGE_PATCH
from tests.bench.wire import call
from tests.support import run_of, simulated

AGENT, RUNNING = "coder", "Running"


class Tenant:
    """A namespace as its watches show it."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str) -> None:
        self.http, self.namespace = http, namespace
        self.runs: dict[str, JsonObject] = {}
        self.pods: dict[str, JsonObject] = {}
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """See everything while the context lasts."""
        async with (
            watching(self.http, RUNS, self.namespace, self._see_run),
            watching(self.http, PODS, self.namespace, self._see_pod),
        ):
            yield

    async def seen(self, condition: Callable[[], object], seconds: float) -> float:
        """Wait for a condition on the observed objects; return its time. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
        return time.monotonic()

    def status(self, run: str) -> JsonObject:
        """Return a Run's status, empty if it has none."""
        found: JsonObject = self.runs.get(run, {}).get("status", {})
        return found

    def pod(self, run: str) -> JsonObject | None:
        """Return the Run's running pod."""
        live = (pod for pod in self.pods.values() if pod["metadata"]["labels"][LABEL_RUN] == run)
        return next((pod for pod in live if pod["status"].get("phase") == RUNNING), None)

    def works(self, run: str) -> bool:
        """Whether a Run's status says that it runs, and a pod of it does."""
        return self.status(run).get("phase") == RUNNING and self.pod(run) is not None

    async def create(self, run: str) -> None:
        """Create a Run whose pods run until they are stopped."""
        await call(self.http, "POST", RUNS.path(self.namespace), run_of(run, simulated("run-forever")))

    async def change(self, run: str, **spec: object) -> int:
        """Change a Run's spec; return its new generation."""
        changed = await call(self.http, "PATCH", RUNS.path(self.namespace, run), {"spec": spec}, headers=MERGE_PATCH)
        return int(changed["metadata"]["generation"])

    async def delete(self, run: str) -> None:
        """Delete a Run."""
        await call(self.http, "DELETE", RUNS.path(self.namespace, run))

    async def die(self, run: str) -> None:
        """Let a Run's agent die, if it is at work."""
        if pod := self.pod(run):
            await end(self.http, pod, failed=True)

    async def report(self, run: str, seq: int, *questions: str) -> JsonObject:
        """Report for a Run's agent, with its questions; return the stored report."""
        uid, name = self.runs[run]["metadata"]["uid"], report_name(run, AGENT)
        if seq == 1:
            owner = {"apiVersion": API_VERSION, "kind": "Run", "name": run, "uid": uid}
            spec = {"runName": run, "runUID": uid, "agent": AGENT}
            body = {"apiVersion": API_VERSION, "kind": "AgentReport", "metadata": {"name": name, "ownerReferences": [owner]}}
            await call(self.http, "POST", AGENT_REPORTS.path(self.namespace), body | {"spec": spec})
        told = self.speaker(run) | {"seq": seq, "intervalSeconds": 60, "activityAgeSeconds": 1}
        told["questions"] = [{"id": each, "text": "Go on?"} for each in questions]
        path, query = AGENT_REPORTS.path(self.namespace, name, "status"), {"fieldManager": REPORTER_CONTAINER}
        return await call(self.http, "PATCH", path, {"status": told}, headers=MERGE_PATCH, params=query)

    def speaker(self, run: str) -> JsonObject:
        """Return the pod that reports for a Run's agent, in the form of a report's status: the one of the latest attempt."""
        pod = max((pod for pod in self.pods.values() if pod["metadata"]["labels"][LABEL_RUN] == run), key=_attempt)
        return {"attempt": _attempt(pod), "podUID": pod["metadata"]["uid"]}

    def _see_run(self, _: float, kind: str, run: JsonObject) -> None:
        self._see(self.runs, kind, run)

    def _see_pod(self, _: float, kind: str, pod: JsonObject) -> None:
        if LABEL_RUN in pod["metadata"].get("labels", {}):
            self._see(self.pods, kind, pod)

    def _see(self, kept: dict[str, JsonObject], kind: str, found: JsonObject) -> None:
        name = found["metadata"]["name"]
        if kind == "DELETED":
            kept.pop(name, None)
        else:
            kept[name] = found
        self._changed.set()


def _attempt(pod: JsonObject) -> int:
    return int(pod["metadata"]["labels"][LABEL_ATTEMPT])
