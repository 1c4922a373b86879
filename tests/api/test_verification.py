"""The verification of an agent's work against a real API server, whose pods end as the tests say: the fence and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.errors import ApiError
from controller.kube.resources import PODS, RUNS
from tests.api.passes import Passes, pods
from tests.support import run_of

AGENT, FIRST = "demo-coder-r0", "demo-coder-r0-verify0"


@pytest.fixture
async def run(client: Client, namespace: str) -> JsonObject:
    """A Run whose agent's work has to be verified, and that nobody has looked at."""
    return await client.create(RUNS, namespace, run_of("demo", {"workspace": {}, "verify": {"command": ["pytest"]}}))


@pytest.fixture
def passes(client: Client, run: JsonObject) -> Passes:
    """An operator that has seen the Run."""
    return another(client, run)


def another(client: Client, run: JsonObject) -> Passes:
    """Return an operator that has just started and seen the Run."""
    found = Passes(client, "status", git_image="git:1")
    found.inventory.runs.upsert(run)
    return found


async def over(passes: Passes, run: JsonObject) -> None:
    """Make a pass with the newest version of the Run, and let the status be written."""
    passes.seconds += 10
    await passes.over(await passes.see(run))


async def ends(passes: Passes, run: JsonObject, name: str, code: int, message: str = "") -> None:
    """Have the judged container of a pod end as a kubelet reports it."""
    ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message, "finishedAt": "2026-01-01T00:00:00Z"}
    container = {"name": "agent" if name.rpartition("-")[2].startswith("r") else "verify", "image": "x", "imageID": ""}
    state = container | {"ready": False, "restartCount": 0, "state": {"terminated": ended}}
    status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [state]}
    namespace = run["metadata"]["namespace"]
    pod = await passes.client.get(PODS, namespace, name)
    del pod["metadata"]["resourceVersion"]  # The scheduler writes it, too.
    passes.inventory.pods.upsert(
        await passes.client.replace(PODS, namespace, name, {**pod, "status": status}, subresource="status")
    )


async def agent(client: Client, run: JsonObject) -> dict[str, Any]:
    """Return the agent's entry in the status."""
    (found,) = (await client.get(RUNS, run["metadata"]["namespace"], "demo"))["status"]["agents"]
    return dict(found)


async def phase(client: Client, run: JsonObject) -> tuple[str, str]:
    """Return the Run's phase and its reason."""
    status = (await client.get(RUNS, run["metadata"]["namespace"], "demo"))["status"]
    return status["phase"], status["reason"]


async def working(passes: Passes, run: JsonObject) -> None:
    """Bring the agent's first attempt to its good end; its pod is named by then."""
    await over(passes, run)
    await over(passes, run)
    await ends(passes, run, AGENT, 0)


async def test_a_verification_completes_the_run(client: Client, run: JsonObject, passes: Passes) -> None:
    """The agent's exit code is not enough: the Run completes after the verification's pod has ended well."""
    await working(passes, run)
    await over(passes, run)
    assert await pods(client, run) == {AGENT: True, FIRST: True}
    assert await phase(client, run) == ("Running", "Verifying")
    assert (await agent(client, run))["verification"] == {"result": "Running", "attempt": 0}
    await ends(passes, run, FIRST, 0, "")
    await over(passes, run)
    assert await phase(client, run) == ("Completed", "AllAgentsComplete")
    assert (await agent(client, run))["verification"] == {"result": "Passed", "attempt": 0, "exitCode": 0}


async def test_a_verification_costs_three_writes(client: Client, run: JsonObject, passes: Passes) -> None:
    """Its pod is created and started. The save that names it also records the agent's end, so one save more records its own."""
    await working(passes, run)
    first = await writes(passes, run)
    await ends(passes, run, FIRST, 0)
    assert (first, await writes(passes, run)) == (["POST pods", "PUT runs", "PATCH pods"], ["PUT runs"])


async def writes(passes: Passes, run: JsonObject) -> list[str]:
    """Make a pass and return its writes, in order, without Events."""
    found: list[str] = []
    passes.client.sender.observe = lambda verb, resource, *_: found.append(f"{verb} {resource}")
    await over(passes, run)
    passes.client.sender.observe = lambda *_: None
    return [each for each in found if each.split()[0] in ("POST", "PUT", "PATCH", "DELETE") and "events" not in each]


async def test_a_failed_verification_restarts_the_agent_with_its_output(client: Client, run: JsonObject, passes: Passes) -> None:
    """The restart is charged, and the brief of the next attempt has the output."""
    await working(passes, run)
    await over(passes, run)
    await ends(passes, run, FIRST, 3, "E   assert total([1, 2]) == 4\n")
    await over(passes, run)
    found = await agent(client, run)
    assert (found["attempt"], found["restarts"], found["verification"]["exitCode"]) == (1, 1, 3)
    next_one = await client.get(PODS, run["metadata"]["namespace"], "demo-coder-r1")
    assert "E   assert total([1, 2]) == 4" in next_one["metadata"]["annotations"]["runwatchman.dev/brief"]
    await ends(passes, run, "demo-coder-r1", 0)
    await over(passes, run)
    await ends(passes, run, "demo-coder-r1-verify0", 3, "E   assert total([1, 2]) == 4\n")
    await over(passes, run)
    assert await phase(client, run) == ("Blocked", "VerificationRepeated")


async def test_an_operator_goes_on_after_each_step_of_another(client: Client, run: JsonObject, passes: Passes) -> None:
    """One dies before it saves the UID, the next one before it removes the gate: there is one pod, and the saved UID is its own."""
    await working(passes, run)
    await dies(client, run, "replace", after_creation_of=FIRST)
    assert await pods(client, run) == {AGENT: True, FIRST: False}
    created = (await client.get(PODS, run["metadata"]["namespace"], FIRST))["metadata"]["uid"]
    await dies(client, run, "json_patch")
    assert (await task(client, run))["podUID"] == created
    assert await pods(client, run) == {AGENT: True, FIRST: False}
    await over(another(client, run), run)
    assert await pods(client, run) == {AGENT: True, FIRST: True}
    assert (await client.get(PODS, run["metadata"]["namespace"], FIRST))["metadata"]["uid"] == created


async def task(client: Client, run: JsonObject) -> dict[str, Any]:
    """Return the saved state of the agent's task."""
    found = await client.get(RUNS, run["metadata"]["namespace"], "demo")
    return dict(found["status"]["operatorState"]["agents"]["coder"].get("task") or {})


async def dies(client: Client, run: JsonObject, method: str, after_creation_of: str = "") -> None:
    """Have a new operator die before its first write of a kind, once a pod exists if one is named."""
    before = getattr(client, method)

    async def die(*args: Any, **more: Any) -> JsonObject:
        exists = not after_creation_of or after_creation_of in await pods(client, run)
        if exists:
            raise ApiError("PATCH", 0, "Died", "the operator was killed")
        answer: JsonObject = await before(*args, **more)
        return answer

    setattr(client, method, die)
    passes = another(client, run)
    with pytest.raises(ApiError):
        await over(passes, run)
    setattr(client, method, before)


async def test_a_deleted_pod_is_another_try(client: Client, run: JsonObject, passes: Passes) -> None:
    """A user deletes the pod before its start: that is recorded, the pod is released, and nothing is charged."""
    await working(passes, run)
    await dies(client, run, "json_patch")
    namespace = run["metadata"]["namespace"]
    await client.delete(PODS, namespace, FIRST, uid=(await task(client, run))["podUID"])
    await over(another(client, run), run)
    found = await task(client, run)
    assert (found["number"], found["faults"]) == (1, 1)
    assert FIRST not in await pods(client, run)
    assert (await agent(client, run)).get("restarts") is None
