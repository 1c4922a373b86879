"""Objects put into the etcd of an `api` cluster without its API server, which still sends their events to its watches."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import aiohttp

from controller.api.base import JsonObject
from controller.kube.resources import Resource
from tests.bench.procfs import part
from tests.cluster import Cluster

ENDPOINT = "--advertise-client-urls="


class Etcd:
    """A connection to a cluster's etcd."""

    def __init__(self, cluster: Cluster) -> None:
        words = Path(f"/proc/{part(cluster, 'etcd')}/cmdline").read_text().split("\0")
        self._http = aiohttp.ClientSession(next(word.removeprefix(ENDPOINT) for word in words if word.startswith(ENDPOINT)))

    async def __aenter__(self) -> Etcd:
        """Return the connection itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self._http.close()

    async def put(self, resource: Resource, namespace: str, name: str, text: str) -> None:
        """Replace an object by a new one, in the form of `stored`."""
        group = f"{resource.group}/" if resource.group else ""
        key = f"/registry/{group}{resource.plural}/{namespace}/{name}"
        body = {"key": b64encode(key.encode()).decode(), "value": b64encode(text.encode()).decode()}
        async with self._http.post("/v3/kv/put", json=body, raise_for_status=True) as answer:
            await answer.read()


def stored(obj: JsonObject) -> str:
    """Return an object in etcd's form: its version is etcd's own."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    return json.dumps({**obj, "metadata": meta})
