"""Live pods that may run where nobody can reach them: their node is lost, or they were deleted and do not end.

Supervision, restarts, stops and pauses all judge such a pod here, by the same times. None of them starts a second pod beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from controller.api.phases import Health
from controller.api.policy import RunPolicySpec
from controller.api.timestamps import format_time, later
from controller.plan.attempts.stall_detection import confirmed_at
from controller.plan.context import PlanContext
from controller.plan.escalations import blocked
from controller.plan.model import Block
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts

OVERDUE_SECONDS = 60
"""How long after the grace period of its deletion a pod may exist before its kubelet counts as hanging. The kubelet itself takes
up to 30 s for the final deletion."""

CHECK_SECONDS = 300
"""How often to look at an unreachable pod's node again. Its pod's events cause earlier passes; this covers a lost one."""

REASONS = frozenset({Reason.UNREACHABLE.value, Reason.TERMINATION_STALLED.value})
"""The reasons of blocks by pods that cannot be reached."""

DEFAULT_POLICY = RunPolicySpec()
"""The confirmations of a Run whose policy cannot be read: it must still end."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A pod of which it is unknown whether it still runs, with the block that the doubt becomes once it is confirmed."""

    sure_at: datetime
    block: Block


def block_of(at: PlanContext, pods: Iterable[PodFacts], *, ending: bool = False) -> Block | None:
    """Return the block for the first pod that is confirmed to be unreachable. The escalated doubt is preferred while it lasts."""
    sure = [doubt.block for pod in pods for doubt in _doubts(at, pod, ending=ending) if at.now >= doubt.sure_at]
    return next((block for block in sure if _stands(at, block)), next(iter(sure), None))


def escalated_at_the_end(at: PlanContext, agent: str, escalation: str) -> bool:
    """Whether an escalation was opened because the agent's pod, which must end, still cannot be reached."""
    block = block_of(at, [pod for pod in at.live_pods() if pod.agent == agent], ending=True)
    return block is not None and blocked.name_of(at, block) == escalation


def check_at(at: PlanContext, pods: Iterable[PodFacts]) -> datetime | None:
    """Return when to look at these pods again: when a doubt is confirmed, or regularly after that; None without a doubt."""
    found = [doubt.sure_at for pod in pods for doubt in _doubts(at, pod)]
    return min((sure if sure > at.now else later(at.now, CHECK_SECONDS) for sure in found), default=None)


def overdue_at(pod: PodFacts) -> datetime | None:
    """Return when a deleted pod should be gone at the latest; None if it is not deleted, or its deletion is to be shortened."""
    if not pod.deleting or pod.deleted_at is None or pod.prolonged:
        return None
    return later(pod.deleted_at, pod.deletion_grace_seconds + OVERDUE_SECONDS)


def words(pod: PodFacts) -> str:
    """Return which node of which pod is lost since when, as part of a sentence; empty if the node is not lost."""
    since = pod.node_lost_since
    return f"node {pod.node} of pod {pod.name} is lost since {format_time(since)}" if since else ""


def _doubts(at: PlanContext, pod: PodFacts, *, ending: bool = False) -> Iterator[Doubt]:
    if not pod.bound or pod.terminated:
        return
    policy = at.policy or DEFAULT_POLICY
    if pod.node_lost_since:
        yield Doubt(confirmed_at(policy, pod.node_lost_since), _unreachable(at, pod, ending=ending))
    if overdue := overdue_at(pod):
        yield Doubt(confirmed_at(policy, overdue), _termination_stalled(at, pod, ending=ending))


def _unreachable(at: PlanContext, pod: PodFacts, *, ending: bool) -> Block:
    """A pod on a lost node: it may still run, so no second one is started."""
    cause = f"{words(pod)}, so it is unknown whether the agent still runs"
    force = f"`kubectl delete pod {pod.name} -n {at.snapshot.run.namespace} --force`"
    remedy = f"bring the node back, or, once you are sure that it is down, delete its Node or run {force}"
    since = pod.node_lost_since.isoformat() if pod.node_lost_since else ""
    return _block(at, blocked.of_pod(pod, Reason.UNREACHABLE, Health.UNREACHABLE, cause, remedy, since), ending=ending)


def _termination_stalled(at: PlanContext, pod: PodFacts, *, ending: bool) -> Block:
    """A deleted pod that does not end on a node that is not known to be lost."""
    since, on = format_time(pod.deleted_at) if pod.deleted_at else "", f" on node {pod.node}" if pod.node else ""
    cause = f"pod {pod.name}{on} is being deleted since {since} and has not ended, so it is unknown whether the agent still runs"
    remedy = (
        "restart the node's kubelet and container runtime, or the node; once you are sure that the node is down, delete its Node "
        "(a deletion by force does not prove that the containers of a ready node have ended)"
    )
    block = blocked.of_pod(pod, Reason.TERMINATION_STALLED, Health.UNREACHABLE, cause, remedy, "overdue")
    return _block(at, block, ending=ending)


def _block(at: PlanContext, block: Block, *, ending: bool) -> Block:
    """Return the block of the agent's current attempt, which waits for the end of a former pod, or for its own pod's."""
    attempt = at.agent_state(block.agent).attempt
    evidence = f"{block.evidence} {_end_of(at)}" if ending else block.evidence
    return replace(block, attempt=attempt, evidence=evidence, ending=ending, patient=ending)


def _end_of(at: PlanContext) -> str:
    """Return which stop or pause the pod must end for: an escalation that was closed for one does not count for another."""
    if at.state and at.state.stop:
        return f"{at.state.stop.reason} {at.state.stop.at.isoformat()}"
    return f"pause {at.state.paused_at.isoformat()}" if at.state and at.state.paused_at else ""


def _stands(at: PlanContext, block: Block) -> bool:
    standing = at.agent_state(block.agent).blocked
    return standing is not None and standing.escalation == blocked.name_of(at, block)
