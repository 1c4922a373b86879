"""The fenced start and the graceful end of an agent's attempt: the next single step, derived from state and cluster.

Starting a pod is fenced; creating one is harmless. A pod is created with a scheduling gate, then its UID is saved by
compare-and-swap. Only the pod whose UID is saved loses its gate, so at most one pod of an attempt ever runs. The first attempt
needs no save before its start: see `lean_start`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from controller.api.names import FINALIZER_OUTCOME, pod_name
from controller.api.run import Agent
from controller.api.template_values import MAX_GRACE_SECONDS
from controller.api.timestamps import format_time, later
from controller.plan import limits
from controller.plan.actions import AdoptPod, CreateClaim, CreatePod, DeletePod, RemoveFinalizer, Terminate, Ungate
from controller.plan.context import PlanContext
from controller.plan.decisions import Wait
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.refused_writes import RETRY_SECONDS
from controller.plan.snapshot import PodFacts

NAMESAKE_CHECK_SECONDS = 2
"""How often to check whether a former pod of the same name is deleted: its events belong to another Run."""

DEAF_SECONDS = 30
"""How long beyond its grace period a pod may ignore its deadline before it is deleted."""


Starting = CreateClaim | CreatePod | AdoptPod | Ungate
"""The steps of starting an attempt."""

Ending = Terminate | DeletePod
"""The steps of ending an attempt."""


Created = TypeVar("Created", CreateClaim, CreatePod)
Started = TypeVar("Started", AdoptPod, Ungate)


FIRST_ATTEMPT = 0


def starts_lean(at: PlanContext, agent: str) -> bool:
    """Return whether the agent's attempt is its first, and no state names its pod: see `lean_start`."""
    state = at.agent_state(agent)
    return state.attempt == FIRST_ATTEMPT and not state.pod_uid and state.outcome is None


def start(at: PlanContext, agent: Agent) -> Starting | Ending | Wait | None:
    """Return the next step of starting the agent's current attempt, the reason to wait, or None if it has been started."""
    state = at.agent_state(agent.name)
    if state.pod_uid:
        pod = at.own_pod(agent.name)
        return _start(at, agent, Ungate, pod) if pod and pod.gated and not pod.deleting else None
    if former := at.former_pods(agent.name):
        return wait_for_former(at, former)
    return _claim(at, agent) or _pod(at, agent)


def wait_for_former(at: PlanContext, pods: tuple[PodFacts, ...]) -> Ending | Wait:
    """Return the next step of ending the pods of earlier attempts. No new attempt and no task is created before they have ended."""
    for pod in pods:
        if action := end(at, pod, Reason.PREDECESSOR_ENDING):
            return action
    names = ", ".join(pod.name for pod in pods)
    checks = [check for pod in pods if not pod.deleting and (check := force_delete_at(pod))]
    check = min(checks, default=later(at.now, NAMESAKE_CHECK_SECONDS))
    return Wait(Reason.PREDECESSOR_ENDING, f"waiting until pod {names} has ended", check)


def _claim(at: PlanContext, agent: Agent) -> CreateClaim | CreatePod | Wait | None:
    if agent.workspace is None:
        return None
    claim = at.claim(agent.name)
    if claim is None:
        return beyond(at, limits.workspace(agent, at.policy)) or _create(at, agent, CreateClaim)
    if claim.run_uid == at.snapshot.run.uid and not claim.deleting:
        return None
    return _name_conflict(at, agent.name, f"the workspace claim of agent {agent.name}", going=claim.deleting)


def beyond(at: PlanContext, text: str) -> Wait | None:
    """Return the block for an exceeded limit, which only another policy or another Run can change; None without a text."""
    return _hold(at, Reason.BEYOND_POLICY, text, RETRY_SECONDS, blocked=True) if text else None


def _pod(at: PlanContext, agent: Agent) -> Starting | Wait:
    pod = at.named_pod(agent.name)
    if pod is None:
        over = limits.runtime(agent, at.policy) or limits.tokens(agent, at.policy)
        return beyond(at, over) or _create(at, agent, CreatePod)
    if not at.ours(pod) or pod.deleting:
        return taken(at, agent.name, pod)
    if not pod.gated:
        return unsaved(at, pod)
    return _start(at, agent, Ungate, pod) if starts_lean(at, agent.name) else _start(at, agent, AdoptPod, pod)


def taken(at: PlanContext, agent: str, pod: PodFacts) -> Wait:
    """Return the wait for a pod that has the name of the one that an agent needs: it is deleted, or has another owner."""
    return _name_conflict(at, agent, f"pod {pod.name}{_obstacle(pod)}", going=pod.deleting)


def unsaved(at: PlanContext, pod: PodFacts) -> Wait:
    """Return the wait for a pod that has lost its gate although no saved state names it."""
    text = f"pod {pod.name} runs, but is not in the saved state; delete it so that the Run can continue"
    return _hold(at, Reason.STATE_REFUSED, text, RETRY_SECONDS, blocked=True)


def _name_conflict(at: PlanContext, agent: str, what: str, *, going: bool) -> Wait:
    if going:
        seconds = RETRY_SECONDS if waits_for_long(at, agent) else NAMESAKE_CHECK_SECONDS
        return _hold(at, Reason.NAMESAKE_TERMINATING, f"{what} is still being deleted", seconds)
    text = f"{what} exists and has another owner; delete it or rename the Run"
    return _hold(at, Reason.NAME_TAKEN, text, RETRY_SECONDS, blocked=True)


def _obstacle(pod: PodFacts) -> str:
    """Return what keeps a deleted pod of another attempt from going away: its node, or the finalizers of others."""
    if not pod.deleting:
        return ""
    if pod.node_lost_since:
        return f" on node {pod.node}, which is lost since {format_time(pod.node_lost_since)},"
    others = ", ".join(name for name in pod.finalizers if name != FINALIZER_OUTCOME)
    return f" with finalizer {others}" if others else f" on node {pod.node}" if pod.node and not pod.terminated else ""


def waits_for_long(at: PlanContext, agent: str) -> bool:
    """Whether the agent's attempt has been waiting for its start for longer than health.pendingStalledSeconds."""
    since = at.agent_state(agent).last_restart_at or at.snapshot.run.created_at
    threshold = at.policy.health.pending_stalled_seconds if at.policy else 0
    return bool(threshold and since and at.now >= later(since, threshold))


def _hold(at: PlanContext, reason: Reason, message: str, seconds: int, *, blocked: bool = False) -> Wait:
    return Wait(reason, message, later(at.now, seconds), blocked)


def _create(at: PlanContext, agent: Agent, step: type[Created]) -> Created:
    attempt = at.agent_state(agent.name).attempt
    return step(reason=Reason.STARTING, agent=agent.name, attempt=attempt, pod=pod_name(at.snapshot.run.name, agent.name, attempt))


def _start(at: PlanContext, agent: Agent, step: type[Started], pod: PodFacts) -> Started:
    attempt = at.agent_state(agent.name).attempt
    return step(reason=Reason.STARTING, agent=agent.name, attempt=attempt, pod=pod.name, pod_uid=pod.uid)


def end(at: PlanContext, pod: PodFacts, reason: Reason) -> Ending | None:
    """Return the next step of ending a live pod, or None while it is ending.

    A running pod is ended by a deadline of one second, which keeps the pod, its logs and its exit codes. A pod that was never
    bound, or that ignores the deadline past its grace period, is deleted. A pod that another client deletes with more time than its
    own grace period is deleted again with that period, since a later deletion may shorten the time. (Admission refuses the first
    deletion, but today's kubelets still wait for its grace period.)
    """
    if pod.deleting:
        return delete_pod(pod, Reason.PROLONGED, Intent.STOP) if pod.bound and pod.prolonged else None
    if not pod.bound:
        return delete_pod(pod, reason, Intent.STOP)
    if pod.ending_since is None or pod.ending_since > later(at.now, MAX_GRACE_SECONDS):
        # A time so far ahead does not come from our clock: another client wrote it, so the pod is ended again.
        return Terminate(reason=reason, agent=pod.agent, attempt=pod.attempt, pod=pod.name, pod_uid=pod.uid)
    if (check := force_delete_at(pod)) and at.now >= check:
        return delete_pod(pod, Reason.DEAF, Intent.STOP)
    return None


def force_delete_at(pod: PodFacts) -> datetime | None:
    """Return when a pod that was asked to end is deleted if it still runs; None for a pod that was not asked."""
    return later(pod.ending_since, pod.grace_seconds + DEAF_SECONDS) if pod.ending_since else None


def delete_pod(pod: PodFacts, reason: Reason, intent: Intent) -> DeletePod:
    """Return the deletion of an observed pod, with the pod's own grace period.

    The period is never 0: a forced deletion would make the pod count as gone.
    """
    return DeletePod(
        intent=intent,
        reason=reason,
        agent=pod.agent,
        attempt=pod.attempt,
        pod=pod.name,
        pod_uid=pod.uid,
        grace_seconds=pod.grace_seconds,
    )


def remove_finalizer(pod: PodFacts, reason: Reason) -> RemoveFinalizer:
    """Return the release of an observed pod."""
    return RemoveFinalizer(reason=reason, agent=pod.agent, attempt=pod.attempt, pod=pod.name, pod_uid=pod.uid)
