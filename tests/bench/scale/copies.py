"""Many copies of a working Run, put into etcd in the form in which the API server has stored it.

An operator that starts or idles does not depend on how its Runs came into being, and a small machine's API server needs most of an
hour for ten thousand. The operator must not run meanwhile: it would see Runs without their pods.
"""

from __future__ import annotations

import asyncio
import json
import uuid

import aiohttp

from controller.kube.resources import PODS, RUNS, Resource
from tests.bench.load import AT_ONCE
from tests.bench.scale.etcd import Etcd, stored
from tests.bench.wire import call
from tests.cluster import Cluster


async def copy(http: aiohttp.ClientSession, cluster: Cluster, namespace: str, run: str, pod: str, names: list[str]) -> None:
    """Copy a Run and its pod under other names, each with UIDs of its own that its state knows: the Runs first, as the owners."""
    found = [(resource, await call(http, "GET", resource.path(namespace, name))) for resource, name in ((RUNS, run), (PODS, pod))]
    uids = [each["metadata"]["uid"] for _, each in found]
    fresh = {name: [str(uuid.uuid4()) for _ in uids] for name in names}
    places = asyncio.Semaphore(AT_ONCE)
    async with Etcd(cluster) as etcd:

        async def put(resource: Resource, text: str, name: str) -> None:
            for old, new in ((run, name), *zip(uids, fresh[name], strict=True)):
                text = text.replace(old, new)
            async with places:
                await etcd.put(resource, namespace, json.loads(text)["metadata"]["name"], text)

        for resource, each in found:
            text = stored(each)
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(put(resource, text, name))
