"""Creates the pod of a task that follows an attempt. As an attempt's pod it has a gate, which a fenced step removes."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.policy import RunPolicySpec
from controller.plan.actions import CreateTask
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.create import agent_of, created, isolation, policy_of
from controller.reconcile.actions.dependencies import Tools, refused
from controller.reconcile.actions.provision import provision
from controller.resources.task_pod_builder import Task, build_task_pod


async def create_task(tools: Tools, snapshot: Snapshot, action: CreateTask) -> Snapshot:
    """Create the task's gated pod, or find the one that has its name."""
    policy = policy_of(snapshot)
    if refusal := await isolation(tools, snapshot.run.namespace, policy):
        return refused(snapshot, action, refusal)
    return await created(tools, snapshot, action, _pod(tools, snapshot, action, policy))


async def _pod(tools: Tools, snapshot: Snapshot, action: CreateTask, policy: RunPolicySpec) -> JsonObject:
    """Build the task's pod. Raises NoGitImage and ApiError."""
    state = snapshot.state.agents.get(action.agent) if snapshot.state else None
    task = Task(action.kind, action.attempt, action.number, state.source if state else None)
    provided = await provision(tools, snapshot.run.namespace)
    return build_task_pod(snapshot.run, agent_of(snapshot, action.agent), task, tools.git_image, policy, provided)
