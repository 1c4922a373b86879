"""Changes without meaning: annotations of pods, put into etcd, so that the API server only has to send their events."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp

from controller.kube.resources import PODS
from tests.bench.controllers import Stage
from tests.bench.scale.etcd import Etcd, stored
from tests.bench.wire import call

ANNOTATION = "bench.runwatchman.dev/stirred"


@asynccontextmanager
async def stirring(http: aiohttp.ClientSession, stage: Stage, pods: Sequence[str]) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Return a function that changes the next of these pods. Another writer's changes in between would be lost."""
    found = [await call(http, "GET", PODS.path(stage.namespace, name)) for name in pods]
    turns = itertools.count()
    async with Etcd(stage.cluster) as etcd:

        async def stir() -> None:
            turn = next(turns)
            pod = found[turn % len(found)]
            pod["metadata"].setdefault("annotations", {})[ANNOTATION] = str(turn)
            await etcd.put(PODS, stage.namespace, pod["metadata"]["name"], stored(pod))

        yield stir
