"""The bare protocol without decisions: the minimal cost of a safe start of an agent, in Python.

A gated pod, the Run read live once it exists, the gate removed if the UID is that pod's. The end is saved by compare-and-swap after
live reads, and so is a successor before its creation, while the Run allows one. It survives only the end of a watch.

Run it by `python -m tests.bench.minimal_controller KUBECONFIG NAMESPACE`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import uvloop

from tests.bench.wire import JSON_PATCH, JsonObject, call, session

GROUP_VERSION = "bench.runwatchman.dev/v1"
LABEL = "bench.runwatchman.dev/run"
GATE = "runwatchman.dev/admitted"
AT_ONCE = 32
OVER = ("Succeeded", "Failed")


class Floor:
    """Starts and ends attempts on the events of Runs and pods."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str, group: asyncio.TaskGroup) -> None:
        self._http, self._group = http, group
        self._runs = f"/apis/{GROUP_VERSION}/namespaces/{namespace}/bareruns"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._places = asyncio.Semaphore(AT_ONCE)
        self._seen: set[str] = set()

    async def work(self) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as watches:
            watches.create_task(self._watch(self._runs, {}, self._on_run))
            watches.create_task(self._watch(self._pods, {"labelSelector": LABEL}, self._on_pod))

    def _on_run(self, kind: str, run: JsonObject) -> None:
        if kind != "DELETED" and self._is_new(run["metadata"]["name"]):
            self._group.create_task(self._start(run, 0))

    def _on_pod(self, kind: str, pod: JsonObject) -> None:
        if kind != "DELETED" and pod["status"].get("phase") in OVER and self._is_new(pod["metadata"]["uid"]):
            self._group.create_task(self._end(pod["metadata"]["labels"][LABEL], pod["metadata"]["name"]))

    def _is_new(self, key: str) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    async def _start(self, run: JsonObject, attempt: int) -> None:
        async with self._places:
            pod = await call(self._http, "POST", self._pods, _pod(run, attempt))
            await call(self._http, "GET", f"{self._runs}/{run['metadata']['name']}")
            ungate = [
                {"op": "test", "path": "/metadata/uid", "value": pod["metadata"]["uid"]},
                {"op": "remove", "path": "/spec/schedulingGates/0"},
                {"op": "add", "path": "/metadata/managedFields", "value": [{}]},
            ]
            await call(self._http, "PATCH", f"{self._pods}/{pod['metadata']['name']}", ungate, headers=JSON_PATCH)

    async def _end(self, name: str, pod_name: str) -> None:
        async with self._places:
            pod = await call(self._http, "GET", f"{self._pods}/{pod_name}")
            run = await call(self._http, "GET", f"{self._runs}/{name}")
            attempt, phase = run.get("status", {}).get("attempt", 0), pod["status"]["phase"]
            again = phase == "Failed" and attempt < run["spec"]["restarts"]
            ended = {"phase": phase, "attempt": attempt, "uid": pod["metadata"]["uid"]}
            run["status"] = {"phase": "Running", "attempt": attempt + 1} if again else ended
            await call(self._http, "PUT", f"{self._runs}/{name}/status", run)
        if again:
            await self._start(run, attempt + 1)

    async def _watch(self, path: str, query: dict[str, str], tell: Callable[[str, JsonObject], None]) -> None:
        listed = await call(self._http, "GET", path, params=query)
        for found in listed["items"]:
            tell("ADDED", found)
        query = {**query, "watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
        while True:  # A busy API server ends watches, which then resume; an expired one ends this program.
            async with self._http.get(path, params=query, raise_for_status=True) as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ConnectionError(f"the watch of {path} has ended: {event['object']}")
                    query["resourceVersion"] = event["object"]["metadata"]["resourceVersion"]
                    tell(event["type"], event["object"])


def _pod(run: JsonObject, attempt: int) -> JsonObject:
    meta, spec = run["metadata"], run["spec"]
    owner = {"apiVersion": GROUP_VERSION, "kind": "Run", "name": meta["name"], "uid": meta["uid"], "controller": True}
    container = {"name": "agent", "image": spec["image"], "command": spec["command"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name']}-{attempt}",
            "labels": {LABEL: meta["name"]},
            "annotations": spec["annotations"],
            "ownerReferences": [owner],
        },
        "spec": {
            "schedulingGates": [{"name": GATE}],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }


async def main(kubeconfig: Path, namespace: str) -> None:
    """Work until a signal ends this."""
    async with session(kubeconfig) as http, asyncio.TaskGroup() as group:
        await Floor(http, namespace, group).work()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
