"""A pass over an outdated cached Run has no lasting effect. The API server is real, the watch is late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.errors import Conflict, NotFound
from controller.kube.resources import PODS, RUNS
from controller.observability.metrics import Metrics
from controller.reconcile.actions import Tools
from controller.reconcile.observer import Observer
from controller.reconcile.reconciler import Reconciler
from controller.store.annotation_store import AnnotationStore
from controller.store.status_store import StatusStore
from tests.support import run_of

STORES: dict[str, type[AnnotationStore | StatusStore]] = {"status": StatusStore, "annotations": AnnotationStore}


@dataclass
class Passes:
    """An operator's passes, whose watch of Runs delivers only the test's events."""

    client: Client
    kind: str

    def __post_init__(self) -> None:
        self.inventory = RunCache(lambda _: None)
        store = STORES[self.kind](self.client)
        observer = Observer(self.client, self.inventory, store, PolicyFileWatcher(None))
        tools = Tools(self.client, self.inventory)
        self.reconciler = Reconciler(observer, store, tools, self.inventory, Metrics())

    async def over(self, run: JsonObject) -> None:
        """Make one pass over a Run."""
        meta = run["metadata"]
        await self.reconciler.reconcile(RunKey(meta["namespace"], meta["name"], meta["uid"]))


@pytest.fixture(params=STORES)
def passes(client: Client, request: pytest.FixtureRequest) -> Passes:
    """Passes with each store that keeps the state on the Run."""
    return Passes(client, request.param)


@pytest.fixture
async def run(client: Client, namespace: str, passes: Passes) -> JsonObject:
    """A Run whose applied version is in the caches."""
    made = await client.create(RUNS, namespace, run_of("demo"))
    passes.inventory.runs.upsert(made)
    return made


async def change(client: Client, run: JsonObject, **spec: object) -> None:
    """Change a Run without an event to the caches."""
    await client.merge_patch(RUNS, run["metadata"]["namespace"], "demo", {"spec": spec})


async def pods(client: Client, run: JsonObject) -> dict[str, bool]:
    """Return the Run's pods, and whether each is ungated."""
    found = await client.list_all(PODS, run["metadata"]["namespace"])
    return {pod["metadata"]["name"]: not pod["spec"].get("schedulingGates") for pod in found.items}


async def uids(client: Client, run: JsonObject) -> list[str]:
    """Return the UIDs of the Run's pods."""
    return [pod["metadata"]["uid"] for pod in (await client.list_all(PODS, run["metadata"]["namespace"])).items]


async def state(client: Client, run: JsonObject) -> object:
    """Return the operator's state of the Run from its store."""
    found = await client.get(RUNS, run["metadata"]["namespace"], "demo")
    return found["status"].get("operatorState"), found["metadata"].get("annotations")


async def test_an_up_to_date_cache_spares_the_read(client: Client, run: JsonObject, passes: Passes) -> None:
    """The newest Run is started, and the pass reads it only from the cache."""
    asked: Counter[tuple[str, str]] = Counter()
    client.sender.observe = lambda verb, resource, *_: asked.update([(verb, resource)])
    await passes.over(run)
    assert asked["GET", "runs"] == 0
    assert await pods(client, run) == {"demo-coder-r0": True}


async def test_a_run_that_was_stopped_meanwhile_is_not_started(client: Client, run: JsonObject, passes: Passes) -> None:
    """The save fails before the gate is removed; the next pass reads the Run live, although no event has come yet, and stops."""
    await change(client, run, desiredState="Stopped")
    with pytest.raises(Conflict):
        await passes.over(run)
    assert await pods(client, run) == {"demo-coder-r0": False}
    await passes.over(run)
    after = await client.get(RUNS, run["metadata"]["namespace"], "demo")
    assert after["status"]["phase"] == "Stopped"
    assert await pods(client, run) in ({}, {"demo-coder-r0": False})


async def test_a_run_that_was_deleted_meanwhile_is_not_started(client: Client, run: JsonObject, passes: Passes) -> None:
    """The objects created for it are gated and owned by the deleted Run; the next pass drops it."""
    await client.delete(RUNS, run["metadata"]["namespace"], "demo", uid=run["metadata"]["uid"])
    with pytest.raises((NotFound, Conflict)):
        await passes.over(run)
    assert True not in (await pods(client, run)).values()
    await passes.over(run)
    assert await pods(client, run) == {}


async def test_what_another_operator_has_started_is_not_started_again(client: Client, run: JsonObject, passes: Passes) -> None:
    """The other operator's pod is found, and its UID is on record: this pass ends without an action, and so does the next one."""
    other = Passes(client, passes.kind)
    other.inventory.runs.upsert(await client.get(RUNS, run["metadata"]["namespace"], "demo"))
    await other.over(run)
    started, saved = await uids(client, run), await state(client, run)
    with pytest.raises(Conflict):
        await passes.over(run)
    await passes.over(run)
    assert await uids(client, run) == started
    assert await state(client, run) == saved


async def test_a_lost_reply_has_the_next_pass_look_live(client: Client, run: JsonObject, passes: Passes) -> None:
    """A save whose answer was lost may have arrived: the cached Run is not trusted, and the started attempt is ungated."""
    write = client.replace

    async def lose_the_reply(*args: object, **more: object) -> JsonObject:
        client.replace = write  # type: ignore[method-assign]
        await write(*args, **more)  # type: ignore[arg-type]
        raise Conflict("PUT", 0, "Lost", "the reply was lost")

    client.replace = lose_the_reply  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await passes.over(run)
    assert await pods(client, run) == {"demo-coder-r0": False}
    await passes.over(run)
    assert await pods(client, run) == {"demo-coder-r0": True}
