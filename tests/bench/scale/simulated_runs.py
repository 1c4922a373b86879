"""Many Runs under one operator: every change is seen from the start, and the operator is a process that can be measured."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import aiohttp

from controller.api.base import JsonObject
from controller.api.names import LABEL_RUN
from controller.kube.resources import PODS, RUNS
from tests.bench.controllers import RETRY_PERIOD, Stage, account_for
from tests.bench.load import watching
from tests.bench.wire import STRATEGIC_PATCH, call
from tests.chaos.evidence import Evidence
from tests.chaos.pods import Pod, pods
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, policy_of

BUDGET, COOLDOWN = 2, 5
POLICY = {"restartBudget": BUDGET, "restartCooldownSeconds": COOLDOWN, "confirmationIntervalSeconds": 1}
RUNNING = "Running"
UNDER_WAY = frozenset({"Pending", RUNNING, "Stopping", ""})
META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels")
OF_POD = ("schedulingGates", "nodeName", "activeDeadlineSeconds")


class Fleet:
    """A namespace full of Runs, as seen by a watch."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str) -> None:
        self.http, self.namespace = http, namespace
        self.evidence = Evidence()
        self.runs: dict[str, JsonObject] = {}
        self.pods: dict[str, Pod] = {}
        self.deaths: Counter[str] = Counter()
        self.latencies: list[float] = []
        """From the event of a death to that of its successor."""
        self.lags: list[float] = []
        """From the write of a death to its event: the API server's part, before any operator can know."""
        self._killed_at: dict[str, float] = {}
        self._died_at: dict[str, float] = {}
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch everything while the context lasts."""
        async with (
            watching(self.http, PODS, self.namespace, self._see_pod),
            watching(self.http, RUNS, self.namespace, self._see_run),
        ):
            yield

    async def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Wait for a condition on the observed objects; return the duration. Raises TimeoutError."""
        started = time.monotonic()
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
        return time.monotonic() - started

    def running(self) -> int:
        """Return the number of running Runs."""
        return sum(status.get("phase") == RUNNING for status in self.runs.values())

    def live(self) -> list[Pod]:
        """Return the running pods."""
        return [pod for pod in self.pods.values() if pod.live and pod.change.object["status"].get("phase") == RUNNING]

    def settled(self) -> bool:
        """Whether each Run has restarted as often as its agent died, within its budget, and works or is blocked."""
        return all(self._settled(name, status) for name, status in self.runs.items())

    async def kill(self, pod: Pod) -> None:
        """Let an agent die, as its kubelet would report it."""
        self.deaths[pod.run] += 1
        self._killed_at[pod.run] = time.monotonic()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
        told = {"name": "agent", "ready": False, "state": {"terminated": ended, "running": None}}
        body = {"status": {"phase": "Failed", "containerStatuses": [told]}}
        await call(self.http, "PATCH", PODS.path(self.namespace, pod.change.name, "status"), body, headers=STRATEGIC_PATCH)

    def _settled(self, name: str, status: JsonObject) -> bool:
        deaths, phase = self.deaths[name], status.get("phase", "")
        rightly = phase == RUNNING if deaths <= BUDGET else phase not in UNDER_WAY
        return rightly and status.get("restarts", 0) == min(deaths, BUDGET)

    def _see_run(self, _: float, kind: str, run: JsonObject) -> None:
        kept = _slim(run, {})
        told = run.get("status", {})
        agents = [{key: agent.get(key) for key in ("name", "attempt")} for agent in told.get("agents", ())]
        kept["status"] = {"phase": told.get("phase", ""), "restarts": told.get("restarts", 0), "agents": agents}
        self.evidence.see("runs", {"type": kind, "object": kept})
        self.runs[kept["metadata"]["name"]] = kept["status"]
        self._changed.set()

    def _see_pod(self, at: float, kind: str, pod: JsonObject) -> None:
        kept = _slim(pod, {key: pod["spec"][key] for key in OF_POD if key in pod["spec"]})
        states = [{"state": told["state"]} for told in pod["status"].get("containerStatuses", ())]
        kept["status"] = {"phase": pod["status"].get("phase", ""), "containerStatuses": states}
        self.evidence.see("pods", {"type": kind, "object": kept})
        seen = next(pods([self.evidence.last]))
        self._time(at, seen, new=seen.change.name not in self.pods)
        self.pods[seen.change.name] = seen
        self._changed.set()

    def _time(self, at: float, pod: Pod, *, new: bool) -> None:
        """Record the time of a successor, from the event of its predecessor's end to its own."""
        if new and pod.run in self._died_at:
            self.latencies.append(at - self._died_at.pop(pod.run))
        elif pod.over and not self.pods[pod.change.name].over:
            self._died_at[pod.run] = at
            self.lags.append(at - self._killed_at.pop(pod.run, at))


def _slim(obj: JsonObject, spec: JsonObject) -> JsonObject:
    """Return the fields that the invariants need: ten thousand histories must fit into memory."""
    meta = {key: obj["metadata"][key] for key in META if key in obj["metadata"]}
    meta["labels"] = {key: value for key, value in meta.get("labels", {}).items() if key.startswith(LABEL_RUN.partition("/")[0])}
    return {"metadata": meta, "spec": spec, "status": {}}


@contextmanager
def staged(cluster: Cluster) -> Iterator[Stage]:
    """A namespace with the policy, and the operator's account there."""
    name = f"scale-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    try:
        with account_for(cluster, name) as account:
            stage = Stage(cluster, account, name, failing=True)
            stage.let("runwatchman-operator")
            stage.let("runwatchman-operator-lease")
            stage.let("runwatchman-operator-halt", everywhere=True)
            apply(cluster, name, policy_of(POLICY))
            yield stage
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def operator_of(stage: Stage, *options: str) -> OperatorProcess:
    """An operator for the stage's namespace, not started yet."""
    return OperatorProcess(
        stage.account, "--namespace", stage.namespace, "--lease-namespace", stage.namespace, *RETRY_PERIOD, *options
    )
