"""The lean start of a first attempt against a real API server: what follows between its steps, and before a state names the pod."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.errors import ApiError, Conflict
from controller.kube.resources import PODS, RUNS
from tests.api.passes import Passes, pods, uids
from tests.support import run_of

POD = "demo-coder-r0"


@pytest.fixture
async def run(client: Client, namespace: str) -> JsonObject:
    """A Run that nobody has looked at."""
    return await client.create(RUNS, namespace, run_of("demo"))


@pytest.fixture
def passes(client: Client, run: JsonObject) -> Passes:
    """An operator that has seen the Run."""
    return another(client, run)


def another(client: Client, run: JsonObject) -> Passes:
    """Return an operator that has just started and seen the Run."""
    passes = Passes(client, "status")
    passes.inventory.runs.upsert(run)
    return passes


async def agent(client: Client, run: JsonObject) -> dict[str, Any]:
    """Return the saved state of the agent, empty while there is none."""
    found = await client.get(RUNS, run["metadata"]["namespace"], "demo")
    state: dict[str, Any] = found.get("status", {}).get("operatorState", {}).get("agents", {}).get("coder", {})
    return state


async def ends(client: Client, run: JsonObject, code: int) -> JsonObject:
    """Have the agent end as a kubelet reports it; return its pod."""
    terminated = {"exitCode": code, "finishedAt": "2026-01-01T00:00:00Z", "reason": "Completed" if code == 0 else "Error"}
    containers = [
        {"name": "agent", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": terminated}}
    ]
    status = {"phase": "Succeeded" if code == 0 else "Failed", "containerStatuses": containers}
    namespace = run["metadata"]["namespace"]
    pod = await client.get(PODS, namespace, POD)
    del pod["metadata"]["resourceVersion"]  # The scheduler writes it, too.
    return await client.replace(PODS, namespace, POD, {**pod, "status": status}, subresource="status")


async def deleted(client: Client, run: JsonObject) -> None:
    """Have a user delete the pod."""
    await client.delete(PODS, run["metadata"]["namespace"], POD, uid=(await uids(client, run))[0])


async def interrupted(client: Client, passes: Passes, run: JsonObject, method: str) -> None:
    """Make a pass that dies before its first write of a kind."""

    async def die(*_: object, **__: object) -> JsonObject:
        raise ApiError("PATCH", 0, "Died", "the operator was killed")

    before = getattr(client, method)
    setattr(client, method, die)
    with pytest.raises(ApiError):
        await passes.over(run)
    setattr(client, method, before)


async def test_the_uid_is_saved_with_the_next_write(client: Client, run: JsonObject, passes: Passes) -> None:
    """Nothing is saved for three seconds; then one write names the pod."""
    assert await passes.over(run) == pytest.approx(3)
    assert await agent(client, run) == {}
    passes.seconds += 3
    await passes.over(run)
    assert (await agent(client, run))["podUID"] == (await uids(client, run))[0]


async def test_a_short_run_is_saved_once(client: Client, run: JsonObject, passes: Passes) -> None:
    """An agent that completes within that time is recorded by the first write, with its UID and the Run's end."""
    await passes.over(run)
    passes.inventory.pods.upsert(await ends(client, run, 0))
    writes: list[str] = []
    client.sender.observe = lambda verb, resource, *_: writes.append(resource) if verb == "PUT" else None
    await passes.over(run)
    found = await client.get(RUNS, run["metadata"]["namespace"], "demo")
    assert writes == ["runs"]
    assert found["status"]["phase"] == "Completed"
    assert (await agent(client, run))["podUID"] == (await uids(client, run))[0]


async def test_an_operator_goes_on_after_each_step_of_another(client: Client, run: JsonObject, passes: Passes) -> None:
    """One dies before it removes the gate, the next one right after that: there is one pod, and its end is recorded as it was."""
    await interrupted(client, passes, run, "json_patch")
    assert await pods(client, run) == {POD: False}
    first = await uids(client, run)
    await another(client, run).over(run)
    assert await pods(client, run) == {POD: True}
    await ends(client, run, 1)
    last = another(client, run)
    with pytest.raises(Conflict, match="was started by another operator"):
        await last.over(run)
    await last.over(run)
    assert (first[0], 1) == ((await uids(client, run))[0], (await agent(client, run))["attempt"])
    assert (await agent(client, run))["lastOutcome"] == "NonZeroExit"


async def test_a_stop_between_the_proof_and_the_start_ends_the_pod(client: Client, run: JsonObject, passes: Passes) -> None:
    """The pod starts under the order to stop; the next pass names it, saves the stop, and ends the pod."""
    started = client.json_patch

    async def stop_first(*args: Any, **more: Any) -> JsonObject:
        client.json_patch = started  # type: ignore[method-assign]
        await client.merge_patch(RUNS, run["metadata"]["namespace"], "demo", {"spec": {"desiredState": "Stopped"}})
        return await started(*args, **more)

    client.json_patch = stop_first  # type: ignore[method-assign]
    await passes.over(run)
    assert await pods(client, run) == {POD: True}
    await passes.over(await passes.see(run))
    found = await client.get(RUNS, run["metadata"]["namespace"], "demo")
    pod = await client.get(PODS, run["metadata"]["namespace"], POD)
    assert found["status"]["operatorState"]["stop"]["reason"] == "StopRequested"
    assert (await agent(client, run))["podUID"] == pod["metadata"]["uid"]
    assert "deletionTimestamp" in pod["metadata"] or pod["spec"]["activeDeadlineSeconds"] == 1


async def test_a_pod_that_was_started_meanwhile_is_not_released_as_never_started(
    client: Client, run: JsonObject, passes: Passes
) -> None:
    """A deleted pod that was seen gated keeps its finalizer if it has been started since: its outcome is recorded first."""
    await interrupted(client, passes, run, "json_patch")
    await deleted(client, run)
    release = client.json_patch

    async def start_first(resource: Any, namespace: str, name: str, operations: list[JsonObject]) -> JsonObject:
        client.json_patch = release  # type: ignore[method-assign]
        await release(PODS, namespace, name, [{"op": "remove", "path": "/spec/schedulingGates/0"}])
        return await release(resource, namespace, name, operations)

    client.json_patch = start_first  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        await passes.over(run)
    assert await pods(client, run) == {POD: True}
    await passes.over(run)
    assert (await agent(client, run))["lastOutcome"] == "PodDeleted"


async def test_a_pod_whose_finalizer_was_stripped_is_recorded_by_who_saw_it(
    client: Client, run: JsonObject, passes: Passes
) -> None:
    """The process that started the pod remembers it for the seconds before its UID is saved: the attempt counts as vanished."""
    await passes.over(run)
    first = (await uids(client, run))[0]
    await client.merge_patch(PODS, run["metadata"]["namespace"], POD, {"metadata": {"finalizers": None}})
    await deleted(client, run)
    passes.inventory.pods.remove({"metadata": {"namespace": run["metadata"]["namespace"], "name": POD, "uid": first}})
    await passes.over(run)
    assert (await agent(client, run))["lastOutcome"] == "PodVanished"


async def test_a_deleted_pod_cannot_be_bound(client: Client, run: JsonObject, passes: Passes) -> None:
    """The API server refuses to bind a pod that is being deleted, so a pod that was deleted unbound never runs."""
    await passes.over(run)
    namespace = run["metadata"]["namespace"]
    await deleted(client, run)
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": POD}, "target": {"kind": "Node", "name": "n"}}
    with pytest.raises(ApiError, match="is being deleted, cannot be assigned to a host"):
        await client.sender.call("POST", PODS, namespace, POD, subresource="binding", body=binding)
