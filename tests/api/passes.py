"""Passes of an operator over chosen Runs: the API server is real, and the watch of Runs delivers only the test's events."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.resources import PODS, RUNS
from controller.observability.metrics import Metrics
from controller.reconcile.actions import Tools
from controller.reconcile.observer import Observer
from controller.reconcile.reconciler import Reconciler
from controller.store.annotation_store import AnnotationStore
from controller.store.status_store import StatusStore

STORES: dict[str, type[AnnotationStore | StatusStore]] = {"status": StatusStore, "annotations": AnnotationStore}


@dataclass
class Passes:
    """An operator's passes, whose watch of Runs delivers only the test's events."""

    client: Client
    kind: str
    seconds: float = 0.0
    """The time of the clock that delays status updates."""
    git_image: str | None = None
    """The image that clones, copies and publishes, if the operator has one."""

    def __post_init__(self) -> None:
        self.inventory = RunCache(lambda _: None)
        store = STORES[self.kind](self.client)
        observer = Observer(self.client, self.inventory, store, PolicyFileWatcher(None))
        tools = Tools(self.client, self.inventory, git_image=self.git_image)
        self.reconciler = Reconciler(observer, store, tools, self.inventory, Metrics(), monotonic=lambda: self.seconds)

    async def over(self, run: JsonObject) -> float | None:
        """Make one pass over a Run; return in how many seconds the next one is due."""
        meta = run["metadata"]
        return await self.reconciler.reconcile(RunKey(meta["namespace"], meta["name"], meta["uid"]))

    async def see(self, run: JsonObject) -> JsonObject:
        """Bring the Run's newest version into the cache, and return it."""
        found = await self.client.get(RUNS, run["metadata"]["namespace"], run["metadata"]["name"])
        self.inventory.runs.upsert(found)
        return found


async def pods(client: Client, run: JsonObject) -> dict[str, bool]:
    """Return the Run's pods, and whether each is ungated."""
    found = await client.list_all(PODS, run["metadata"]["namespace"])
    return {pod["metadata"]["name"]: not pod["spec"].get("schedulingGates") for pod in found.items}


async def uids(client: Client, run: JsonObject) -> list[str]:
    """Return the UIDs of the Run's pods."""
    return [pod["metadata"]["uid"] for pod in (await client.list_all(PODS, run["metadata"]["namespace"])).items]
