"""The fenced start and the graceful end of one agent's attempt: the next single step, derived from state and cluster.

Starting is the act that is fenced, creating is harmless (DESIGN section 4): a pod is created with a scheduling gate, its UID is
saved by compare-and-swap, and only the pod whose UID is saved loses its gate.
"""

from __future__ import annotations

from datetime import datetime

from controller.api.names import pod_name
from controller.api.run import Agent
from controller.api.template import MAX_GRACE_SECONDS
from controller.api.timestamps import later
from controller.plan import limits
from controller.plan.context import PlanContext
from controller.plan.decisions import Wait
from controller.plan.model import Action, Intent, Step
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts

NAMESAKE_CHECK_SECONDS = 2
"""How often to look whether a former pod of the same name has gone: its events belong to another Run."""

REFUSED_RETRY_SECONDS = 30
"""How long after the API server refused a pod (quota, admission) it is tried again."""

DEAF_SECONDS = 30
"""How long beyond its grace period a pod may ignore its deadline before it is deleted."""


def start(at: PlanContext, agent: Agent) -> Action | Wait | None:
    """Return the next step of starting the agent's current attempt, why it must wait, or None when it has been started."""
    state = at.agent_state(agent.name)
    if state.pod_uid:
        pod = at.own_pod(agent.name)
        gated = pod is not None and pod.gated and not pod.deleting
        return _start_action(at, agent, Step.UNGATE, pod) if gated else None
    if former := at.former_pods(agent.name):
        return _wait_for_predecessor(at, former)
    if refused := at.refusal(agent.name):
        return _hold(at, Reason.POD_REFUSED, refused, REFUSED_RETRY_SECONDS)
    return _claim(at, agent) or _pod(at, agent)


def _wait_for_predecessor(at: PlanContext, pods: tuple[PodFacts, ...]) -> Action | Wait:
    """The next step of ending the pods of earlier attempts: none of the agent's attempts is created before they have ended."""
    for pod in pods:
        if action := end(at, pod, Reason.PREDECESSOR_ENDING):
            return action
    names = ", ".join(pod.name for pod in pods)
    checks = [force_delete_at(pod) for pod in pods if pod.ending_since and not pod.deleting]
    check = min(checks, default=later(at.now, NAMESAKE_CHECK_SECONDS))
    return Wait(Reason.PREDECESSOR_ENDING, f"waits until pod {names} has ended", check)


def _claim(at: PlanContext, agent: Agent) -> Action | Wait | None:
    if agent.workspace is None:
        return None
    claim = at.claim(agent.name)
    if claim is None:
        return _beyond(at, limits.workspace(agent, at.policy)) or _start_action(at, agent, Step.CREATE_CLAIM, None)
    if claim.run_uid == at.snapshot.run.uid and not claim.deleting:
        return None
    return _name_conflict(at, f"the workspace claim of agent {agent.name}", going=claim.deleting)


def _beyond(at: PlanContext, text: str) -> Wait | None:
    """What only another policy or another Run can change, where a limit says something."""
    return _hold(at, Reason.BEYOND_POLICY, text, REFUSED_RETRY_SECONDS, blocked=True) if text else None


def _pod(at: PlanContext, agent: Agent) -> Action | Wait:
    pod = at.named_pod(agent.name)
    if pod is None:
        return _beyond(at, limits.runtime(agent, at.policy)) or _start_action(at, agent, Step.CREATE_POD, None)
    if not at.ours(pod) or pod.deleting:
        return _name_conflict(at, f"pod {pod.name}", going=pod.deleting)
    if not pod.gated:
        text = f"pod {pod.name} runs, but no saved state names it; delete it to let the Run go on"
        return _hold(at, Reason.STATE_REFUSED, text, REFUSED_RETRY_SECONDS, blocked=True)
    return _start_action(at, agent, Step.ADOPT, pod)


def _name_conflict(at: PlanContext, what: str, *, going: bool) -> Wait:
    if going:
        return _hold(at, Reason.NAMESAKE_TERMINATING, f"{what} is still going away", NAMESAKE_CHECK_SECONDS)
    text = f"{what} exists and belongs to somebody else; delete it or rename the Run"
    return _hold(at, Reason.NAME_TAKEN, text, REFUSED_RETRY_SECONDS, blocked=True)


def _hold(at: PlanContext, reason: Reason, message: str, seconds: int, *, blocked: bool = False) -> Wait:
    return Wait(reason, message, later(at.now, seconds), blocked)


def _start_action(at: PlanContext, agent: Agent, step: Step, pod: PodFacts | None) -> Action:
    attempt = at.agent_state(agent.name).attempt
    name = pod_name(at.snapshot.run.name, agent.name, attempt)
    uid = pod.uid if pod else ""
    return Action(Intent.START, step, Reason.STARTING, agent=agent.name, attempt=attempt, pod=name, pod_uid=uid)


def end(at: PlanContext, pod: PodFacts, reason: Reason) -> Action | None:
    """Return the next step of ending a live pod, or None while it is on its way.

    A running pod is ended by a deadline of one second, which keeps the pod, its logs and its exit codes; one that was never
    bound, or that ignores the deadline past its grace period, is deleted. One that somebody else deletes with more time than its
    own grace period is deleted once more, with that: a later deletion may shorten the time. (Admission refuses the first; today's
    kubelets wait for it all the same.)
    """
    if pod.deleting:
        return pod_action(Intent.STOP, Step.DELETE_POD, Reason.PROLONGED, pod) if pod.bound and pod.prolonged else None
    if not pod.bound:
        return pod_action(Intent.STOP, Step.DELETE_POD, reason, pod)
    if pod.ending_since is None or pod.ending_since > later(at.now, MAX_GRACE_SECONDS):
        # A time that lies so far ahead is nobody's clock: somebody else wrote it, so the pod is told once more.
        return pod_action(Intent.STOP, Step.END, reason, pod)
    if at.now >= force_delete_at(pod):
        return pod_action(Intent.STOP, Step.DELETE_POD, Reason.DEAF, pod)
    return None


def force_delete_at(pod: PodFacts) -> datetime:
    """When a pod that was told to end counts as deaf to it."""
    if pod.ending_since is None:
        raise ValueError(f"pod {pod.name} was not told to end")
    return later(pod.ending_since, pod.grace_seconds + DEAF_SECONDS)


def pod_action(intent: Intent, step: Step, reason: Reason, pod: PodFacts) -> Action:
    """Return an action on one observed pod, carrying the UID that it is fenced by, and how long a deleted one has.

    A deletion names its grace period, which is never 0: that would be a forced one, by which the pod counts as gone.
    """
    grace = pod.grace_seconds if step is Step.DELETE_POD else None
    return Action(intent, step, reason, agent=pod.agent, attempt=pod.attempt, pod=pod.name, pod_uid=pod.uid, grace_seconds=grace)
