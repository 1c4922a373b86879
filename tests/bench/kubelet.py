"""A simulated kubelet for pods that fail once: the first pod of each object fails as soon as it runs, the next succeeds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp

from controller.api.base import JsonObject
from controller.kube.resources import PODS
from tests.bench.timeline import Story, owner_of
from tests.bench.wire import STRATEGIC_PATCH, call

PATIENCE_SECONDS = 1.0
"""How long a pod runs, as kwok's do."""


class PlayedKubelet:
    """Ends pods that run; tasks are kept until they are done."""

    def __init__(self, http: aiohttp.ClientSession, story: Story, group: asyncio.TaskGroup) -> None:
        self._http, self._story, self._group = http, story, group
        self._played: set[str] = set()

    def see_pod(self, at: float, kind: str, pod: JsonObject) -> None:
        """Record an event of a pod, and add it to the timeline."""
        self._story.see_pod(at, kind, pod)
        name, owner = pod["metadata"]["name"], owner_of(pod)
        if kind == "DELETED" or owner is None or name in self._played or pod["status"].get("phase") != "Running":
            return
        self._played.add(name)
        first = next(iter(self._story.pods[owner])) == name
        self._group.create_task(self._end(pod, failed=first))

    async def _end(self, pod: JsonObject, *, failed: bool) -> None:
        await asyncio.sleep(PATIENCE_SECONDS)
        await end(self._http, pod, failed=failed)


async def end(http: aiohttp.ClientSession, pod: JsonObject, *, failed: bool) -> None:
    """End a running pod, as a kubelet reports it."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ended = {"exitCode": int(failed), "reason": "Error" if failed else "Completed", "startedAt": now, "finishedAt": now}
    told = {**pod["status"]["containerStatuses"][0], "ready": False, "state": {"terminated": ended, "running": None}}
    status = {"phase": "Failed" if failed else "Succeeded", "containerStatuses": [told]}
    path = PODS.path(pod["metadata"]["namespace"], pod["metadata"]["name"], "status")
    await call(http, "PATCH", path, {"status": status}, headers=STRATEGIC_PATCH)
