"""A healthy Run takes two reconciles: its start and its end. The pods' watch, scheduler and nodes are real, the clock is not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from controller.api.names import LABEL_RUN_UID, RunKey
from controller.api.policy import OnBudgetSpent, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.reflector import Reflector
from controller.kube.resources import PODS, RUNS
from controller.kube.workqueue import WorkQueue
from controller.observability.metrics import Metrics
from controller.plan.snapshot import PodFacts
from controller.reconcile.actions import Tools
from controller.reconcile.deferral import Deferral
from controller.reconcile.observer import Observer
from controller.reconcile.reconciler import Reconciler
from controller.reconcile.status_throttle import LAG_SECONDS, StatusThrottle
from controller.store.status_store import StatusStore
from tests.support import eventually, run_of, simulated

STRICT = RunPolicySpec(restart_budget=1, restart_cooldown_seconds=0, on_budget_spent=OnBudgetSpent.FAIL)


class Operator:
    """An operator's queue, caches and reconciles, of which the test takes one after the other."""

    def __init__(self, client: Client) -> None:
        self.now = 0.0
        self.queue: WorkQueue[RunKey] = WorkQueue(clock=lambda: self.now)
        self.cache = RunCache(self.queue.add, defer=lambda key: self.queue.add_after(key, self._deferral.seconds(key)))
        policy, throttle, store = PolicyFileWatcher(None), StatusThrottle(), StatusStore(client)
        policy.current = ResolvedPolicy.of("strict", STRICT)
        self._deferral = Deferral(self.cache, policy, throttle, lambda: self.now)
        observer, tools = Observer(client, self.cache, store, policy), Tools(client, self.cache)
        self._reconciler = Reconciler(observer, store, tools, self.cache, Metrics(), monotonic=lambda: self.now, throttle=throttle)
        self.passes = 0
        self.watching = asyncio.Event()
        """Set after the first reconcile: a watch that is faster than the answer to a creation causes one that finds nothing."""

    async def work_until(self, done: Callable[[], bool]) -> None:
        """Reconcile whenever a Run is due, until a condition is met."""
        while not done():
            await eventually(lambda: self.queue.depth, "a change that makes the Run due")
            await self.work()

    async def work(self) -> None:
        """Reconcile until no Run is due."""
        while key := self.queue.take():
            self.passes += 1
            seconds = await self._reconciler.reconcile(key)
            self.queue.done(key)
            if seconds is not None:
                self.queue.add_after(key, seconds)

    def pod(self, key: RunKey) -> PodFacts | None:
        """Return the cached pod of a Run with one."""
        return next(iter(self.cache.pods_of(key)), None)


@pytest.fixture
async def operator(client: Client, namespace: str) -> AsyncIterator[Operator]:
    """An operator whose watch of pods runs."""
    made = Operator(client)
    reflector = Reflector(client, PODS, (namespace,), made.cache.pods, labels=LABEL_RUN_UID)

    async def follow() -> None:
        await made.watching.wait()
        await reflector.run()

    watch = asyncio.create_task(follow())
    yield made
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch


async def start(client: Client, namespace: str, operator: Operator, outcome: str) -> RunKey:
    """Create a Run whose simulated pod has this end, and start it."""
    run = await client.create(RUNS, namespace, run_of("demo", simulated(outcome)))
    operator.cache.runs.upsert(run)
    await operator.work()
    assert operator.passes == 1
    operator.watching.set()
    return RunKey(namespace, "demo", run["metadata"]["uid"])


async def test_a_healthy_run_takes_two_reconciles(client: Client, namespace: str, operator: Operator) -> None:
    """The pod is ungated, bound, runs and completes: only the first and the last need a reconcile."""
    key = await start(client, namespace, operator, "complete")
    await eventually(lambda: operator.queue.depth, "a change that makes the Run due")
    pod = operator.pod(key)
    assert pod
    assert pod.terminated, "the change is the pod's end"
    await operator.work()
    assert (await client.get(RUNS, namespace, "demo"))["status"]["phase"] == "Completed"
    assert operator.passes == 2


async def test_a_status_shows_running_when_it_may(client: Client, namespace: str, operator: Operator) -> None:
    """The cache has a ready pod at once. One reconcile writes that, three seconds after the last write and no later."""
    key = await start(client, namespace, operator, "run-forever")
    await eventually(lambda: (pod := operator.pod(key)) and pod.ready, "a ready pod in the cache")
    await operator.work()
    assert operator.passes == 1
    assert operator.queue.next_due() == LAG_SECONDS
    operator.now += LAG_SECONDS
    await operator.work()
    status = (await client.get(RUNS, namespace, "demo"))["status"]
    assert (status["phase"], status["ready"], operator.passes) == ("Running", "1/1", 2)
    assert operator.queue.next_due() is None


async def test_a_terminated_pod_is_not_read(client: Client, namespace: str, operator: Operator) -> None:
    """An agent that fails twice costs no read of its pods: the cache has their ends, which are final."""
    asked: Counter[tuple[str, str]] = Counter()
    client.sender.observe = lambda verb, resource, *_: asked.update([(verb, resource)])
    key = await start(client, namespace, operator, "fail")

    def phase() -> str:
        run = operator.cache.run(key)
        return run.obj.get("status", {}).get("phase", "") if run else ""

    await operator.work_until(lambda: phase() == "Failed")
    assert [pod.name for pod in operator.cache.pods_of(key)] == ["demo-coder-r0", "demo-coder-r1"]
    assert asked["GET", "pods"] == 0
