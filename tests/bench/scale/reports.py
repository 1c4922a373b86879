"""Agents' reporters without changes, as the API server sees them: one write of a status per interval each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import aiohttp

from controller.api.base import JsonObject
from controller.api.names import API_VERSION, LABEL_RUN_UID, REPORTER_CONTAINER, report_name
from controller.kube.resources import AGENT_REPORTS
from tests.bench.load import create
from tests.bench.wire import call
from tests.chaos.pods import Pod

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class Reports:
    """The reports of some pods."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str, interval_seconds: int) -> None:
        self._http, self._namespace, self._interval = http, namespace, interval_seconds
        self._of: dict[str, Pod] = {}
        self._seq = 0

    async def begin(self, pods: Iterable[Pod]) -> None:
        """Create a report for each pod, with a status."""
        self._of = {report_name(*pod.agent): pod for pod in pods}
        await create(self._http, AGENT_REPORTS, self._namespace, [_report(name, pod) for name, pod in self._of.items()])
        await self._write(0.0)

    async def keep_on(self, seconds: float) -> JsonObject:
        """Report at the reporters' own rate for a while; return the number of reports."""
        started, before = time.monotonic(), self._seq
        while time.monotonic() - started < seconds:
            await self._write(self._interval)
        return {"objects": (self._seq - before) * len(self._of)}

    async def _write(self, over: float) -> None:
        """Write each report once, spread over this many seconds."""
        self._seq += 1
        started = time.monotonic()
        for number, (name, pod) in enumerate(self._of.items()):
            await asyncio.sleep(max(0.0, started + over * number / len(self._of) - time.monotonic()))
            path = AGENT_REPORTS.path(self._namespace, name, "status")
            query = {"fieldManager": REPORTER_CONTAINER}
            await call(
                self._http, "PATCH", path, {"status": _status(pod, self._seq, self._interval)}, headers=MERGE_PATCH, params=query
            )
        await asyncio.sleep(max(0.0, started + over - time.monotonic()))


def _report(name: str, pod: Pod) -> JsonObject:
    uid = pod.change.object["metadata"]["labels"][LABEL_RUN_UID]
    spec = {"runName": pod.run, "runUID": uid, "agent": pod.agent[1]}
    return {"apiVersion": API_VERSION, "kind": "AgentReport", "metadata": {"name": name}, "spec": spec}


def _status(pod: Pod, seq: int, interval: int) -> JsonObject:
    ages = {"intervalSeconds": interval, "activityAgeSeconds": 1, "progressAgeSeconds": 5}
    return {"attempt": pod.attempt, "podUID": pod.change.uid, "seq": seq, "sources": ["Processes"], "progressEvents": seq, **ages}
