"""Creates the pod of a task that follows an attempt. As an attempt's pod it has a gate, which a fenced step removes."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.api.base import JsonObject
from controller.api.operator_state import AgentState
from controller.api.policy import RunPolicySpec
from controller.api.tasks import TaskKind
from controller.api.verification import VerificationResult
from controller.plan.actions import CreateTask
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.create import agent_of, created, isolation, policy_of
from controller.reconcile.actions.dependencies import Tools, refused
from controller.reconcile.actions.provision import provision
from controller.resources.publishing_pod import Publication
from controller.resources.task_pod_builder import Task, build_task_pod


async def create_task(tools: Tools, snapshot: Snapshot, action: CreateTask) -> Snapshot:
    """Create the task's gated pod, or find the one that has its name."""
    policy = policy_of(snapshot)
    if refusal := _unverified(snapshot, action) or await isolation(tools, snapshot.run.namespace, policy):
        return refused(snapshot, action, refusal)
    return await created(tools, snapshot, action, _pod(tools, snapshot, action, policy))


async def _pod(tools: Tools, snapshot: Snapshot, action: CreateTask, policy: RunPolicySpec) -> JsonObject:
    """Build the task's pod. Raises NoGitImage and ApiError."""
    state = _state(snapshot, action)
    cloned, publication = state.source if state else None, _publication(snapshot, action)
    task = Task(action.kind, action.attempt, action.number, cloned, publication)
    provided = await provision(tools, snapshot.run.namespace)
    return build_task_pod(snapshot.run, agent_of(snapshot, action.agent), task, tools.git_image, policy, provided)


def _state(snapshot: Snapshot, action: CreateTask) -> AgentState | None:
    return snapshot.state.agents.get(action.agent) if snapshot.state else None


def _unverified(snapshot: Snapshot, action: CreateTask) -> str:
    """Return why an agent's work cannot be published although it is verified: nothing else than the verified tree may be pushed."""
    agent = agent_of(snapshot, action.agent)
    if action.kind is not TaskKind.PUBLISH or agent.verify is None or _publication(snapshot, action).tree:
        return ""
    return f"agent {agent.name}: the git tree that was verified is not on record, and nothing else is published: restart the agent"


def _publication(snapshot: Snapshot, action: CreateTask) -> Publication:
    """Return what is published of an attempt. The time is one that is on record, so that a repeated push makes the same commit."""
    state = _state(snapshot, action)
    verified, published = (state.verification, state.published) if state else (None, None)
    passed = verified and verified.attempt == action.attempt and verified.result is VerificationResult.PASSED
    tree = verified.tree if verified and passed else None
    ended = state.outcome.finished_at if state and state.outcome else None
    at = ended or snapshot.run.created_at or EPOCH
    return Publication(tree or "", published.commit if published else "", at)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Time of a commit if no other one is on record."""
