"""One turn: one controller alone, a number of objects at once, and the cost."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace

import aiohttp

from controller.api.base import JsonObject
from controller.kube.resources import PODS, Resource
from tests.bench.audit import AuditLog
from tests.bench.controllers import Contestant, Stage, account_for
from tests.bench.kubelet import PlayedKubelet
from tests.bench.load import any_left, create, delete_all, watching
from tests.bench.measured import Load, Spent, Turn, latency
from tests.bench.procfs import part, reset_peak, usage
from tests.bench.timeline import Story
from tests.bench.wire import session
from tests.cluster import Cluster
from tests.cluster.processes import start_time

POLL_SECONDS = 0.5


class ControllerEnded(Exception):
    """The measured controller has ended."""


Aside = Callable[[int], AbstractContextManager[object]]
"""A context that observes a controller's process while it works."""


def take_turn(cluster: Cluster, contestant: Contestant, load: Load, aside: Aside = nullcontext) -> Turn:
    """Measure one contestant in a namespace of its own, and leave no objects.

    Raises ControllerEnded or TimeoutError if it does not finish.
    """
    with stage_for(cluster, load) as stage, ExitStack() as stack:
        return asyncio.run(_measure(stage, contestant, contestant.start(stage, stack), load, aside))


@contextmanager
def stage_for(cluster: Cluster, load: Load) -> Iterator[Stage]:
    """Yield a namespace with an account for one controller; it is deleted afterwards."""
    name = f"bench-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    wait = "--wait=false"  # The objects of a failed turn may not be deleted: the next turn does not wait for them.
    try:
        with account_for(cluster, name) as account:
            yield Stage(cluster, account, name, load.failing)
        wait = "--wait"
    finally:
        cluster.kubectl("delete", "namespace", name, wait, timeout=load.patience)


async def _measure(stage: Stage, contestant: Contestant, pid: int, load: Load, aside: Aside) -> Turn:
    audit = AuditLog(stage.cluster)
    async with session(stage.cluster.kubeconfig) as http:
        await _see_through(http, stage, contestant, replace(load, count=load.warm_up), "warm", pid)
        await asyncio.sleep(load.settling_seconds)
        reset_peak(pid)
        mark, before = audit.mark(), _spent(stage.cluster, pid)
        with aside(pid):
            story, wall = await _see_through(http, stage, contestant, load, "load", pid)
        await asyncio.sleep(load.settling_seconds)
        after, peak, written = _spent(stage.cluster, pid), usage(pid).peak, audit.tally(stage.user, mark)
        mark = audit.mark()
        await asyncio.sleep(load.idle_seconds)
        idle, idle_cpu = audit.tally(stage.user, mark), usage(pid).cpu - after.controller
        mark = audit.mark()
        await tidy(http, stage.namespace, contestant.resource, load)
    return Turn(
        contestant=contestant.name,
        load=load,
        objects=load.warm_up + load.count,
        wall=wall,
        spent=after - before,
        peak=peak,
        written=written,
        idle=idle,
        idle_cpu=idle_cpu,
        tidying=audit.tally(stage.user, mark),
        starts=latency(story.starts()),
        endings=latency(story.endings()),
        successions=latency(story.successions()),
    )


async def _see_through(
    http: aiohttp.ClientSession, stage: Stage, contestant: Contestant, load: Load, prefix: str, pid: int
) -> tuple[Story, float]:
    """Create objects and wait until all of them finish; return the timeline, and the seconds from the first to the last."""
    story = Story(prefix, contestant.finished)
    bodies = [contestant.body(f"{prefix}-{number}", load.failing) for number in range(load.count)]
    async with asyncio.timeout(load.patience), _watched(http, stage, contestant, story, load) as changed:
        started = await create(http, contestant.resource, stage.namespace, bodies)
        while len(story.finished) < load.count:
            changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), POLL_SECONDS)
            if start_time(pid) is None:
                raise ControllerEnded(f"{contestant.name} ended by itself: see its log of {stage.namespace}")
    return story, max(story.finished.values()) - started


@asynccontextmanager
async def _watched(
    http: aiohttp.ClientSession, stage: Stage, contestant: Contestant, story: Story, load: Load
) -> AsyncIterator[asyncio.Event]:
    """Record a timeline while the context lasts; the event is set by each observation, including a broken watch."""
    changed = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        see_pod = PlayedKubelet(http, story, group).see_pod if load.failing else story.see_pod

        def see(at: float, kind: str, found: JsonObject) -> None:
            story.see_object(at, kind, found)
            changed.set()

        async with watching(http, PODS, stage.namespace, see_pod), watching(http, contestant.resource, stage.namespace, see):
            yield changed


async def tidy(http: aiohttp.ClientSession, namespace: str, owners: Resource, load: Load) -> None:
    """Delete the pods, which the controller sees, then the objects."""
    async with asyncio.timeout(load.patience):
        for resource in (PODS, owners):
            await delete_all(http, resource, namespace)
            while await any_left(http, resource, namespace):  # noqa: ASYNC110  # another program's doing
                await asyncio.sleep(POLL_SECONDS)


def _spent(cluster: Cluster, pid: int) -> Spent:
    server, etcd = (usage(part(cluster, name)).cpu for name in ("kube-apiserver", "etcd"))
    return Spent(usage(pid).cpu, server, etcd, time.process_time())
