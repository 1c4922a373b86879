"""A pass over an outdated cached Run has no lasting effect. The API server is real, the watch is late."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.errors import Conflict
from controller.kube.resources import RUNS
from tests.api.passes import STORES, Passes, pods, uids
from tests.support import run_of


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


async def newest(client: Client, run: JsonObject) -> JsonObject:
    """Return the Run as it is."""
    return await client.get(RUNS, run["metadata"]["namespace"], "demo")


async def attempts(passes: Passes, run: JsonObject) -> dict[str, Any]:
    """Return the saved attempt of each agent and its pod's UID, by name."""
    store = STORES[passes.kind](passes.client)
    loaded = await store.load(await newest(passes.client, run), live=True)
    return {name: (agent.attempt, agent.pod_uid) for name, agent in loaded.state.agents.items()} if loaded.state else {}


async def test_an_up_to_date_cache_needs_one_read_and_no_save(client: Client, run: JsonObject, passes: Passes) -> None:
    """The Run is started from the cache; it is read once, after its pod exists, and not written."""
    asked: list[tuple[str, str]] = []
    client.sender.observe = lambda verb, resource, *_: asked.append((verb, resource))
    await passes.over(run)
    of_the_namespace = {("GET", "namespaces"): 1, ("GET", "serviceaccounts"): 1}
    assert Counter(asked) == {("POST", "pods"): 1, ("GET", "runs"): 1, ("PATCH", "pods"): 1} | of_the_namespace
    assert asked.index(("POST", "pods")) < asked.index(("GET", "runs")) < asked.index(("PATCH", "pods"))
    assert await pods(client, run) == {"demo-coder-r0": True}


async def test_a_run_that_was_stopped_meanwhile_is_not_started(client: Client, run: JsonObject, passes: Passes) -> None:
    """The read before the start shows the order, although no event has come yet: the gated pod is deleted and the Run stops."""
    await change(client, run, desiredState="Stopped")
    await passes.over(run)
    assert (await newest(client, run))["status"]["phase"] == "Stopped"
    assert True not in (await pods(client, run)).values()


async def test_a_run_that_was_deleted_meanwhile_is_not_started(client: Client, run: JsonObject, passes: Passes) -> None:
    """The pod that was created for it is gated and owned by the deleted Run; the same pass drops it."""
    await client.delete(RUNS, run["metadata"]["namespace"], "demo", uid=run["metadata"]["uid"])
    await passes.over(run)
    assert await pods(client, run) == {}


async def test_what_another_operator_has_started_is_not_started_again(client: Client, run: JsonObject, passes: Passes) -> None:
    """The other operator's pod is found, observed and saved as the attempt's, and the other operator finds that."""
    other = Passes(client, passes.kind)
    other.inventory.runs.upsert(await newest(client, run))
    await other.over(run)
    started = await uids(client, run)
    with pytest.raises(Conflict):
        await passes.over(run)
    await passes.over(run)
    other.seconds += 60
    with pytest.raises(Conflict):
        await other.over(run)
    await other.over(await other.see(run))
    assert await uids(client, run) == started
    assert await attempts(passes, run) == {"coder": (0, started[0])}


async def test_a_lost_reply_has_the_next_pass_look_live(client: Client, run: JsonObject, passes: Passes) -> None:
    """A save whose answer was lost may have arrived: the cached Run is not trusted, and the restart is not reserved twice."""
    await passes.over(run)
    await change(client, run, restartedAt={"coder": "2050-01-01T00:00:00Z"})
    await passes.see(run)
    write = client.replace

    async def lose_the_reply(*args: object, **more: object) -> JsonObject:
        client.replace = write  # type: ignore[method-assign]
        await write(*args, **more)  # type: ignore[arg-type]
        raise Conflict("PUT", 0, "Lost", "the reply was lost")

    client.replace = lose_the_reply  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await passes.over(run)
    assert [attempt for attempt, _ in (await attempts(passes, run)).values()] == [1]
    await passes.over(run)
    assert [attempt for attempt, _ in (await attempts(passes, run)).values()] == [1]
