"""The requests that create and delete a pod follow the policy in force and the plan."""

from __future__ import annotations

from typing import Any, cast

import pytest

from controller.api.base import JsonObject
from controller.api.policy import HostUsers, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.plan.actions import CreatePod, DeletePod
from controller.plan.attempts.cleanup import remove_finalizers
from controller.plan.context import PlanContext
from controller.plan.reasons import Reason
from controller.plan.snapshot import RunFacts, Snapshot
from controller.reconcile.actions.create import create_pod
from controller.reconcile.actions.dependencies import Tools
from controller.reconcile.actions.terminate import delete_pod
from tests.unit.test_timestamps import NOON

RUN = RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(Agent(name="coder", image="x"),)))
START = CreatePod(reason=Reason.STARTING, agent="coder", attempt=0, pod="demo-coder-r0")


class Recording:
    """An API server that stores its requests."""

    def __init__(self) -> None:
        self.pod: JsonObject = {}
        self.deleted: JsonObject = {}

    def server_now(self) -> Any:
        """Return the time."""
        return NOON

    async def create(self, _: object, __: str, body: JsonObject) -> JsonObject:
        """Store a pod."""
        self.pod = body | {"metadata": body["metadata"] | {"uid": "u0"}}
        return self.pod

    async def get(self, *_: object) -> JsonObject:
        """Return the pod."""
        return self.pod

    async def delete(self, *_: object, **options: Any) -> None:
        """Record how the pod is deleted."""
        self.deleted = options


def tools(server: Recording) -> Tools:
    """Return the dependencies of steps, without the rest of an operator."""
    return Tools(cast("Client", server), RunCache(lambda _: None))


@pytest.mark.parametrize("users", HostUsers)
async def test_the_policy_says_whose_users_a_pod_has(users: HostUsers) -> None:
    """With private users in the policy in force, the pod has hostUsers: false."""
    server = Recording()
    policy = ResolvedPolicy.of("p", RunPolicySpec(host_users=users))
    await create_pod(tools(server), Snapshot(RUN, policy=policy), START)
    assert server.pod["spec"].get("hostUsers") == (False if users is HostUsers.PRIVATE else None)


async def test_a_deletion_names_the_grace_period_that_the_plan_says() -> None:
    """The grace period is the pod's own and never 0: after a forced deletion a pod on a lost node would count as deleted."""
    server = Recording()
    made = await create_pod(tools(server), Snapshot(RUN), START)
    server.pod["spec"]["terminationGracePeriodSeconds"] = 0
    made = tools(server).with_pod(made, server.pod)
    (action,) = [a for a in remove_finalizers(PlanContext(made, NOON), Reason.RUN_DELETED) if isinstance(a, DeletePod)]
    await delete_pod(tools(server), made, action)
    assert server.deleted == {"uid": "u0", "grace_seconds": 1}
