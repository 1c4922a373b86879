"""The pods and reports that an observation reads."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from controller.api.base import JsonObject, dump
from controller.api.names import RunKey
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.errors import NotFound
from controller.kube.resources import PODS, Resource
from controller.plan.reads import final_pods, reporting_agents
from controller.plan.snapshot import PodFacts, RunFacts, Snapshot, Termination
from controller.reconcile.observer import Observer
from controller.store.status_store import StatusStore
from tests.builders import OWNERS, a_pod, a_run

KEY = RunKey("ns", "demo", "run-1")
ENDED = Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="ResultReported")


@pytest.mark.parametrize(
    ("agent", "pods", "read"),
    [
        (AgentState(pod_uid="c0"), (PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", reporting=True),), True),
        (AgentState(pod_uid="c0"), (PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1"),), False),
        (AgentState(pod_uid="c0"), (), True),
        (AgentState(pod_uid="c0", outcome=ENDED), (), False),
        (AgentState(), (), False),
    ],
    ids=["with a reporter", "without one", "its pod is gone", "its end is on record", "not started"],
)
def test_the_report_of_a_pod_that_is_gone_is_read_too(agent: AgentState, pods: tuple[PodFacts, ...], read: bool) -> None:
    """If no pod shows how an attempt ended, its report is read even if no cache has it; otherwise a read would be useless."""
    state = OperatorState(run_uid="run-1", agents={"coder": agent})
    snapshot = Snapshot(RunFacts("ns", "demo", "run-1", 1, None), state=state)
    assert reporting_agents(snapshot, pods) == ({"coder"} if read else set())


OVER = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", phase="Failed", bound=True)


@pytest.mark.parametrize(
    ("change", "spared"),
    [
        ({}, True),
        ({"phase": "Succeeded"}, True),
        ({"phase": "Running"}, False),
        ({"phase": "Running", "termination": Termination(0)}, False),
        ({"phase": "Unknown"}, False),
        ({"deleting": True}, False),
        ({"phase": "Pending", "bound": False, "deleting": True}, False),
        ({"run_uid": "another"}, False),
    ],
    ids=[
        "failed",
        "succeeded",
        "runs",
        "only its agent has ended",
        "cannot be read",
        "is being deleted",
        "never started",
        "is another Run's",
    ],
)
def test_a_cached_pod_that_has_terminated_is_not_read(change: dict[str, Any], *, spared: bool) -> None:
    """A pod that has terminated never runs again. It is read when it may have to be released."""
    pod = replace(OVER, **change)
    assert final_pods(Snapshot(RunFacts("ns", "demo", "run-1", 1, None), pods=(pod,))) == ((pod,) if spared else ())


class Api:
    """An API server with these pods, which remembers the names that it was asked for."""

    def __init__(self, *pods: JsonObject) -> None:
        self.pods = {pod["metadata"]["name"]: pod for pod in pods}
        self.asked: list[str] = []

    async def get(self, resource: Resource, _: str | None, name: str) -> JsonObject:
        """Return a pod. Raises NotFound for anything else."""
        self.asked.append(name)
        if resource is not PODS or name not in self.pods:
            raise NotFound("GET", 404, "NotFound", name)
        return self.pods[name]

    def server_now(self) -> datetime:
        """Return a time."""
        return datetime(2026, 1, 1, tzinfo=UTC)


def version(number: int, uid: str, phase: str) -> JsonObject:
    """Return a version of a pod of the first attempt."""
    labels = {
        "runwatchman.dev/run": "demo",
        "runwatchman.dev/run-uid": "run-1",
        "runwatchman.dev/agent": "coder",
        "runwatchman.dev/attempt": "0",
    }
    return a_pod(None, {"phase": phase}, uid=uid, resourceVersion=str(number), labels=labels, ownerReferences=OWNERS)


@pytest.mark.parametrize(
    ("cached", "asked", "seen"),
    [
        ([version(1, "c0", "Succeeded")], ["demo-coder-r1"], ["c0"]),
        ([version(1, "c0", "Running")], ["demo-coder-r0", "demo-coder-r1"], ["new"]),
        ([version(1, "c0", "Succeeded"), version(2, "new", "Running")], ["demo-coder-r0", "demo-coder-r1"], ["new"]),
        ([], ["demo-coder-r1"], []),
    ],
    ids=["it has terminated", "it ran when it was last seen", "another has its name", "no cache knows it"],
)
async def test_a_live_look_spares_a_pod_whose_end_is_known(cached: list[JsonObject], asked: list[str], seen: list[str]) -> None:
    """The pod is known by its UID: where the cache has another pod of its name, that name is read."""
    state = OperatorState(run_uid="run-1", agents={"coder": AgentState(attempt=1, pod_uid="c1")})
    run = a_run(status={"operatorState": dump(state), "startTime": "2026-01-01T00:00:00Z"})
    api, cache = cast("Client", found := Api(version(3, "new", "Running"))), RunCache(lambda _: None)
    cache.runs.upsert(deepcopy(run))
    for pod in cached:
        cache.pods.upsert(deepcopy(pod))
    observed = await Observer(api, cache, StatusStore(api), PolicyFileWatcher(None)).live(KEY, run)
    assert sorted(name for name in found.asked if name.startswith("demo-coder-r")) == asked
    assert [pod.uid for pod in observed.snapshot.pods] == seen
