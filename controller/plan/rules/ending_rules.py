"""The rules that end pods without a next attempt: a decided stop, a halt, a pause, and the end of a halt or a pause.

Each waits until its pods have ended. A pod that cannot be reached is escalated after the same times as in a running Run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from controller.api.operator_state import StopDecision
from controller.api.phases import Phase
from controller.api.run import DesiredState
from controller.api.timestamps import format_time
from controller.plan.actions import Action, CompleteRun, PauseRun, ResumeRun
from controller.plan.attempts import start_stop, unreachable
from controller.plan.context import PlanContext
from controller.plan.escalations.lifecycle import sync_blocked, wait_at_the_end
from controller.plan.model import Block, Verdict
from controller.plan.reasons import Reason
from controller.plan.rules.completion_rules import stop_ordered
from controller.plan.snapshot import HaltFacts, PodFacts


def stopping(at: PlanContext) -> Verdict | None:
    """A decided stop is carried out: live pods are ended, then the Run is finished."""
    stop = decided_stop(at)
    if stop is None:
        return None
    if live := at.live_pods():
        return _ending(at, Verdict(Phase.STOPPING, Reason(stop.reason), stop.message), live)
    done = CompleteRun(reason=Reason(stop.reason), phase=stop.phase)
    return Verdict(stop.phase, Reason(stop.reason), stop.message, (done,))


def halted(at: PlanContext) -> Verdict | None:
    """A halt ends live pods gracefully and keeps everything else, whatever the Run wants and however its spec reads."""
    halt = at.snapshot.halt
    if halt is None:
        return None
    words = words_of(halt)
    if at.state is None or at.state.halted_at is None:
        return Verdict(Phase.STOPPING, Reason.HALTED, words, (PauseRun(reason=Reason.HALTED),))
    live = at.started_pods()
    phase = Phase.STOPPING if live else Phase.HALTED
    return _ending(at, Verdict(phase, Reason.HALTED, words), live)


def words_of(halt: HaltFacts) -> str:
    """Return who halted what, since when and why."""
    if halt.budget:
        return halt.reason
    what = "the cluster" if halt.cluster else "the namespace"
    since = f" since {format_time(halt.since)}" if halt.since else ""
    return f"{what} is halted by {halt.by or 'somebody'}{since}: {halt.reason}"


def paused(at: PlanContext) -> Verdict | None:
    """DesiredState Paused ends live pods gracefully and keeps everything else."""
    if at.spec.desired_state is not DesiredState.PAUSED:
        return None
    if at.state is None or at.state.paused_at is None:
        pause = PauseRun(reason=Reason.PAUSE_REQUESTED)
        return Verdict(Phase.STOPPING, Reason.PAUSE_REQUESTED, actions=(pause,))
    live = at.started_pods()
    phase = Phase.STOPPING if live else Phase.PAUSED
    return _ending(at, Verdict(phase, Reason.PAUSE_REQUESTED, "spec.desiredState is Paused"), live)


def resumed(at: PlanContext) -> Verdict | None:
    """A pause or a halt is over: when its last pod has ended, each unfinished agent gets a new, uncharged attempt."""
    if at.state is None or at.state.paused_at is None:
        return None
    began, over, words = HALT if at.state.halted_at else PAUSE
    if live := at.started_pods():
        return _ending(at, Verdict(Phase.STOPPING, over, words), live, began)
    turn = at.snapshot.turn_at if at.state.halted_at else None
    if turn and at.now < turn:
        return Verdict(Phase.QUEUED, over, f"{words}; the Run starts again at {format_time(turn)}", next_check=turn)
    return Verdict(Phase.PENDING, over, actions=(ResumeRun(reason=over),))


PAUSE = (Reason.PAUSE_REQUESTED, Reason.RESUME_REQUESTED, "spec.desiredState is Running again")
HALT = (Reason.HALTED, Reason.HALT_LIFTED, "the halt is lifted")
"""Why the agents were ended, why they are to start again, and that in words."""


def decided_stop(at: PlanContext) -> StopDecision | None:
    """Return the saved decision to end the Run."""
    return at.state.stop if at.state else None


def _ending(at: PlanContext, verdict: Verdict, live: tuple[PodFacts, ...], reason: Reason | None = None) -> Verdict:
    """Return a verdict with the steps that end its live pods, and with the escalations of those that cannot be reached."""
    if decided_stop(at) is None and (ordered := _stop_ordered(at)):
        return ordered
    ends = tuple(action for pod in live if (action := start_stop.end(at, pod, reason or verdict.reason)))
    blocks = _blocks(at, live)
    shown = _shown(verdict, live, blocks)
    return replace(shown, actions=(*ends, *_inbox(at, blocks)), next_check=_next_check(at, live), blocks=blocks)


def _blocks(at: PlanContext, live: tuple[PodFacts, ...]) -> tuple[Block, ...]:
    """Return the block of each agent with an unreachable pod, an optional agent too: the Run cannot end without it."""
    found = (unreachable.block_of(at, [pod for pod in live if pod.agent == agent.name], ending=True) for agent in at.agents)
    return tuple(block for block in found if block)


def _shown(verdict: Verdict, live: tuple[PodFacts, ...], blocks: tuple[Block, ...]) -> Verdict:
    """Return the verdict with the reason why it is not carried out yet."""
    if blocks:
        return replace(verdict, reason=blocks[0].reason, message=f"{verdict.message}; {blocks[0].message}")
    doubt = next((unreachable.words(pod) for pod in live if pod.node_lost_since), "")
    return replace(verdict, message=f"{verdict.message}; {doubt}") if doubt else verdict


def _next_check(at: PlanContext, live: tuple[PodFacts, ...]) -> datetime | None:
    deaf = (start_stop.force_delete_at(pod) for pod in live if not pod.deleting)
    return min((check for check in (*deaf, unreachable.check_at(at, live)) if check), default=None)


def _inbox(at: PlanContext, blocks: tuple[Block, ...]) -> Iterable[Action]:
    """Return the inbox actions for agents whose pods cannot be reached, or can be again. Without a policy nobody may answer."""
    if at.policy is None:
        return ()
    by_agent = {block.agent: block for block in blocks}
    return tuple(action for agent in at.agents if (action := _of_agent(at, agent.name, by_agent.get(agent.name))))


def _of_agent(at: PlanContext, agent: str, block: Block | None) -> Action | None:
    standing = at.agent_state(agent).blocked
    if block is None:
        reachable = standing and standing.reason in unreachable.REASONS and not decided_stop(at)
        return sync_blocked(at, agent, None) if reachable else None  # The end of the Run closes all of its escalations.
    return wait_at_the_end(at, agent, block) or sync_blocked(at, agent, block)


def _stop_ordered(at: PlanContext) -> Verdict | None:
    """Return the end of a paused Run if a human answered Stop because its pod cannot be reached."""
    states = [state for agent in at.agents if (state := at.agent_state(agent.name).blocked)]
    asked = any(state.reason in unreachable.REASONS and state.decision is None for state in states)
    return stop_ordered(at) if asked else None
