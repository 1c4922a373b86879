"""What a namespace provides for agents' pods is read seldom, and used for each pod that is created."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from controller.api.base import JsonObject
from controller.api.checks import parse_run_spec
from controller.api.pod_policy import Provision
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.errors import Forbidden, NotFound
from controller.kube.resources import NAMESPACES, SERVICE_ACCOUNTS, Resource
from controller.plan.actions import CreatePod
from controller.plan.reasons import Reason
from controller.plan.snapshot import RunFacts, Snapshot
from controller.reconcile.actions.create import create_pod
from controller.reconcile.actions.dependencies import Tools
from controller.reconcile.actions.provision import LIFETIMES, forget, provision
from controller.resources.reporter_sidecar import Sidecar
from tests.unit.test_pod_demands import PROJECT, RANGE, ids
from tests.unit.test_timestamps import NOON


class Api:
    """An API server with a namespace and its default account, that counts reads; `refuses` replaces the answers."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.now, self.reads, self.refuses, self.secret = NOON, 0, refuses, "old"
        self.pods: list[JsonObject] = []

    def server_now(self) -> Any:
        """Return the time."""
        return self.now

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        """Return the namespace or the account."""
        self.reads += 1
        if self.refuses:
            raise self.refuses
        if resource is NAMESPACES:
            return {"metadata": {"annotations": PROJECT}}
        assert (resource, namespace, name) == (SERVICE_ACCOUNTS, "ns", "default")
        return {"imagePullSecrets": [{"name": self.secret}]}

    async def create(self, _: object, __: str, body: JsonObject) -> JsonObject:
        """Store a pod."""
        self.pods.append(body | {"metadata": body["metadata"] | {"uid": "u0"}})
        return self.pods[-1]


def tools_of(api: Api) -> Tools:
    """Return the dependencies of steps."""
    return Tools(cast("Client", api), RunCache(lambda _: None), sidecar=Sidecar("r:1"))


async def test_a_burst_of_starts_costs_two_reads() -> None:
    """Reads are kept for a time, a Secret that is attached to the account is used soon, and after a refusal both are read again."""
    api = Api()
    tools = tools_of(api)
    for _ in range(3):
        assert await provision(tools, "ns") == Provision(RANGE, 1000670000, ("old",))
    assert api.reads == 2
    api.secret, api.now = "new", NOON + LIFETIMES[SERVICE_ACCOUNTS]
    assert (await provision(tools, "ns")).pull_secrets == ("new",)
    assert api.reads == 3
    forget(tools, "ns")
    await provision(tools, "ns")
    assert api.reads == 5
    api.now += max(LIFETIMES.values()) + timedelta(seconds=1)
    await provision(tools, "ns")
    assert api.reads == 7


@pytest.mark.parametrize("refuses", [Forbidden("get", 403, "Forbidden", "no"), NotFound("get", 404, "NotFound", "no")])
async def test_without_the_right_to_read_pods_start_with_our_values(refuses: Exception) -> None:
    """An operator with older roles starts pods as before."""
    assert await provision(tools_of(Api(refuses)), "ns") == Provision()


async def test_a_pod_is_created_with_what_its_namespace_provides() -> None:
    """The created pod has the namespace's users and its default account's pull secrets."""
    api = Api()
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", "image": "a"}]}})
    snapshot = Snapshot(RunFacts("ns", "demo", "run-1", 1, spec), policy=ResolvedPolicy.of("p", RunPolicySpec()))
    await create_pod(tools_of(api), snapshot, CreatePod(reason=Reason.STARTING, agent="coder", attempt=0, pod="demo-coder-r0"))
    pod = api.pods[-1]
    assert ids(pod)[::3] == (RANGE[0], RANGE[0] + 1)
    assert pod["spec"]["imagePullSecrets"] == [{"name": "old"}]
