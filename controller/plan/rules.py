"""The rules, in the order in which they are asked; the first that has something to say decides.

Each is a small pure function from a `Situation` to a `Verdict`, or None where it does not apply. `RULES` at the end is the
list. The numbers are those of the design's section 3. What is judged agent by agent (8 to 11) is in `agents`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from controller.api.escalation import Decision
from controller.api.policy import Approvable
from controller.api.run import Agent, DesiredState
from controller.api.run_status import Health, Phase, StopDecision
from controller.plan import agents, approvals, protocol, questions, reports, restarts
from controller.plan.housekeeping import housekeeping, release_all
from controller.plan.inbox import bookkeeping, closures
from controller.plan.model import TRANSITIONS, Action, AgentView, Block, Intent, Step, Verdict
from controller.plan.moves import Hold, Move
from controller.plan.questions import deliveries
from controller.plan.reasons import Reason
from controller.plan.situation import Situation
from controller.plan.snapshot import PodFacts
from controller.plan.usage import tokens
from controller.plan.views import phase_of, views

Rule = Callable[[Situation], Verdict | None]


def released(at: Situation) -> Verdict | None:
    """1. A Run that is gone or being deleted lets its pods go, and is never acted for again."""
    if at.snapshot.run.gone:
        return Verdict(Phase.STOPPING, Reason.RUN_DELETED, actions=release_all(at, Reason.RUN_DELETED))
    if at.snapshot.namespace_terminating:
        due = tuple(
            protocol.pod_action(Intent.RELEASE, Step.RELEASE, Reason.NAMESPACE_TERMINATING, pod)
            for pod in at.our_pods()
            if pod.deleting and pod.has_finalizer
        )
        return Verdict(Phase.STOPPING, Reason.NAMESPACE_TERMINATING, actions=due)
    return None


def state_refused(at: Situation) -> Verdict | None:
    """Without a trustworthy record of what was done, nothing may be done."""
    if not at.snapshot.state_refusal:
        return None
    return Verdict(Phase.BLOCKED, Reason.STATE_REFUSED, at.snapshot.state_refusal)


def terminal(at: Situation) -> Verdict | None:
    """2. A finished Run is held until its TTL is over, then deleted."""
    stop = _stop(at)
    if stop is None or stop.completed_at is None:
        return None
    held = Verdict(stop.phase, Reason(stop.reason), stop.message)
    seconds = _ttl_seconds(at)
    if seconds is None:
        return held
    expiry = stop.completed_at + timedelta(seconds=seconds)
    if at.now < expiry:
        return replace(held, next_check=expiry)
    return replace(held, actions=(Action(Intent.EXPIRE, Step.DELETE_RUN, Reason.TTL_EXPIRED),))


def recorded(at: Situation) -> Verdict | None:
    """An attempt that has ended goes on record before anything is decided from it."""
    due = []
    for agent in at.agents:
        state = at.agent_state(agent.name)
        pod = at.own_pod(agent.name)
        if state.outcome is not None:
            continue
        if state.pod_uid and (pod is None or pod.terminated):
            due.append(_record(agent.name, state.attempt, pod, state.pod_uid))
        elif finished := at.finished_predecessor(agent.name):
            due.append(_record(agent.name, finished.attempt, finished, finished.uid))
    return Verdict(Phase.RUNNING, Reason.OUTCOME_RECORDED, actions=tuple(due)) if due else None


def _record(agent: str, attempt: int, pod: PodFacts | None, uid: str) -> Action:
    name = pod.name if pod else ""
    return Action(Intent.RECORD, Step.RECORD, Reason.OUTCOME_RECORDED, agent=agent, attempt=attempt, pod=name, pod_uid=uid)


def stopping(at: Situation) -> Verdict | None:
    """A stop that was decided is carried through: the live are ended, then the Run is finished."""
    stop = _stop(at)
    if stop is None:
        return None
    ends, check = _ends(at, Reason(stop.reason), at.live_pods())
    if ends or at.live_pods():
        return Verdict(Phase.STOPPING, Reason(stop.reason), stop.message, ends, check)
    done = Action(Intent.FINISH, Step.COMPLETE, Reason(stop.reason), phase=stop.phase)
    return Verdict(stop.phase, Reason(stop.reason), stop.message, (done,))


def spec_refused(at: Situation) -> Verdict | None:
    """3. A spec that cannot be read or asks for what is not allowed is blocked, with the path."""
    violations = at.snapshot.run.violations
    if not violations:
        return None
    first, more = violations[0], len(violations) - 1
    text = f"{first.path}: {first.message}" + (f" (and {more} more)" if more else "")
    return Verdict(Phase.BLOCKED, Reason.SPEC_REFUSED, text)


def stop_requested(at: Situation) -> Verdict | None:
    """4a. desiredState Stopped ends the Run for good."""
    if at.spec.desired_state is not DesiredState.STOPPED:
        return None
    return _decide(Phase.STOPPED, Reason.STOP_REQUESTED, "spec.desiredState is Stopped")


def paused(at: Situation) -> Verdict | None:
    """4b. desiredState Paused ends the live gracefully and keeps the rest as it is."""
    if at.spec.desired_state is not DesiredState.PAUSED:
        return None
    if at.state is None or at.state.paused_at is None:
        pause = Action(Intent.STOP, Step.PAUSE, Reason.PAUSE_REQUESTED)
        return Verdict(Phase.STOPPING, Reason.PAUSE_REQUESTED, actions=(pause,))
    ends, check = _ends(at, Reason.PAUSE_REQUESTED, at.started_pods())
    phase = Phase.STOPPING if at.started_pods() else Phase.PAUSED
    return Verdict(phase, Reason.PAUSE_REQUESTED, "spec.desiredState is Paused", ends, check)


def resumed(at: Situation) -> Verdict | None:
    """4c. A pause is over: once its last pod has ended, every unfinished agent gets a new, uncharged attempt."""
    if at.state is None or at.state.paused_at is None:
        return None
    ends, check = _ends(at, Reason.PAUSE_REQUESTED, at.started_pods())
    if ends or at.started_pods():
        return Verdict(Phase.STOPPING, Reason.RESUME_REQUESTED, actions=ends, next_check=check)
    resume = Action(Intent.START, Step.RESUME, Reason.RESUME_REQUESTED)
    return Verdict(Phase.PENDING, Reason.RESUME_REQUESTED, actions=(resume,))


def completed(at: Situation) -> Verdict | None:
    """5. All required agents are complete, and were so before the deadline, even where it was seen later."""
    if not all(at.completed(agent.name) for agent in at.required):
        return None
    outcomes = [at.outcome(agent.name) for agent in at.required]
    ends = [outcome.finished_at for outcome in outcomes if outcome and outcome.finished_at]
    if at.deadline and any(end > at.deadline for end in ends):
        return None
    return _decide(Phase.COMPLETED, Reason.ALL_AGENTS_COMPLETE, f"{_count(len(at.required))} completed")


def deadline_passed(at: Situation) -> Verdict | None:
    """6. The Run has been active for longer than it may be."""
    if at.deadline is None or at.now < at.deadline:
        return None
    text = f"the Run was active for longer than {at.spec.active_deadline_seconds} s (spec.activeDeadlineSeconds)"
    return _decide(Phase.FAILED, Reason.DEADLINE_EXCEEDED, text)


def token_budget_exceeded(at: Situation) -> Verdict | None:
    """6b. The agents have used more tokens than they may."""
    budget = at.spec.token_budget
    if budget is None or sum(tokens(at.usage(agent.name)) for agent in at.agents) <= budget:
        return None
    return _decide(Phase.FAILED, Reason.TOKEN_BUDGET_EXCEEDED, f"the agents have used more than {budget} tokens (spec.tokenBudget)")


def outcome_fatal(at: Situation) -> Verdict | None:
    """7a. A required agent's end is the Run's end, as the policy's outcomes or its onBudgetSpent say."""
    for agent in at.required:
        if fatal := restarts.fails_the_run(at, agent):
            return _decide(Phase.FAILED, *fatal)
    return None


def stop_ordered(at: Situation) -> Verdict | None:
    """7b. A human has answered an agent's escalation with Stop."""
    for agent in at.agents:
        found = at.standing_escalation(agent.name)
        if found is not None and found.decision is Decision.STOP:
            return _decide(
                Phase.FAILED, Reason.STOP_ORDERED, f"{found.by or 'somebody'} answered escalation {found.name} with Stop"
            )
    return None


def unanswered(at: Situation) -> Verdict | None:
    """7c. Nobody has helped a blocked agent in time."""
    for agent in at.agents:
        standing, block = at.agent_state(agent.name).blocked, _block(at, agent)
        if not (standing and block) or block.patient or at.now < standing.expires_at:
            continue
        if block.reason is Reason.PROGRESS_STALLED:
            return _decide(Phase.FAILED, Reason.STALE, f"nobody answered in time; {block.message}", Intent.AUTO_STOP_STALE)
        return _decide(Phase.FAILED, Reason.BLOCKED_TIMEOUT, f"nobody helped in time (blockedTimeoutSeconds); {block.message}")
    return None


def question_timed_out(at: Situation) -> Verdict | None:
    """7d. Nobody has answered a question in time, and the policy does not want to wait on."""
    found = questions.timed_out(at)
    if found is None:
        return None
    return _decide(
        Phase.FAILED, Reason.QUESTION_TIMEOUT, f"nobody answered escalation {found.name} in time (questionTimeoutSeconds)"
    )


def queued(at: Situation) -> Verdict | None:
    """As many Runs as the policy allows are active: this one waits for its turn before it starts or resumes."""
    if not at.snapshot.queued or at.live_pods():
        return None
    limit = at.policy.max_active_runs if at.policy else None
    return Verdict(Phase.QUEUED, Reason.RUNS_QUEUED, f"{limit} Runs of this policy are active (maxActiveRuns)")


def policy_refused(at: Situation) -> Verdict | None:
    """No agent is started under a policy that is missing or cannot be read; the started go on."""
    if at.snapshot.policy is not None or all(at.agent_state(agent.name).pod_uid for agent in at.agents):
        return None
    return Verdict(Phase.PENDING, at.snapshot.policy_reason, at.snapshot.policy_refusal)


def stale(at: Situation) -> Verdict | None:
    """11. Nothing comes of any unfinished agent, as their own fresh reports say, and nothing else is due for them."""
    if not _is_stale(at) or _stale_approval(at) is not None:
        return None
    return _decide(Phase.FAILED, Reason.STALE, STALE_TEXT, Intent.AUTO_STOP_STALE)


STALE_TEXT = "no required agent has shown progress for too long (staleRunAgeSeconds)"


def _is_stale(at: Situation) -> bool:
    unfinished = [agent for agent in at.required if not at.completed(agent.name)]
    if not unfinished or not all(reports.stale(at, agent) for agent in unfinished):
        return False
    moves = (agents.judge(at, agent) for agent in unfinished)
    return not any(move.actions or move.hold or move.block for move in moves)


def _stale_approval(at: Situation) -> Move | None:
    """What a stop as stale waits for, if it needs approval; asked for in the name of the first unfinished agent."""
    agent = next(agent for agent in at.required if not at.completed(agent.name))
    return approvals.gate(at, agent.name, Approvable.STOP_STALE, Reason.STALE, STALE_TEXT)


def supervised(at: Situation) -> Verdict:
    """8 to 12. Each agent is judged by its own rules: started, restarted, escalated, or left at its work."""
    moves = {agent.name: agents.judge(at, agent) for agent in at.agents}
    blocks = tuple(block for agent in at.required if (block := moves[agent.name].block))
    stop = (_stale_approval(at) or Move()) if _is_stale(at) else Move()
    actions = [*_one_reservation(moves.values()), *_inbox(at, moves), *stop.actions]
    holds = [move.hold for move in (*moves.values(), stop) if move.hold and not move.block]
    phase, reason, text = _standing(views(at, blocks), holds, blocks)
    return Verdict(phase, reason, text, tuple(actions), _next_check(at, (*moves.values(), stop)), blocks)


def _one_reservation(moves: Iterable[Move]) -> list[Action]:
    """All actions, but of the reservations the first alone: the next is judged by what that has left of the budget."""
    actions = [action for move in moves for action in move.actions]
    first = next((action for action in actions if action.step is Step.RESERVE), None)
    return [action for action in actions if action.step is not Step.RESERVE or action is first]


def _inbox(at: Situation, moves: Mapping[str, Move]) -> list[Action]:
    """What the inbox needs for agents that no other action moves on; optional agents never ask, and no policy, no judgement."""
    if at.policy is None:
        return []
    still = (agent for agent in at.required if not any(a.step in TRANSITIONS for a in moves[agent.name].actions))
    due = (bookkeeping(at, agent.name, moves[agent.name].block) for agent in still)
    return [action for action in due if action]


def _next_check(at: Situation, moves: Iterable[Move]) -> datetime | None:
    checks = [move.check_at for move in moves] + [move.hold.check_at for move in moves if move.hold]
    waits = [at.agent_state(agent.name).blocked for agent in at.agents]
    checks += [blocked.expires_at for blocked in waits if blocked]
    return min((check for check in (*checks, at.deadline) if check and check > at.now), default=None)


RULES: tuple[Rule, ...] = (
    released,
    state_refused,
    terminal,
    recorded,
    stopping,
    spec_refused,
    stop_requested,
    paused,
    queued,
    resumed,
    completed,
    deadline_passed,
    token_budget_exceeded,
    outcome_fatal,
    stop_ordered,
    unanswered,
    question_timed_out,
    policy_refused,
    stale,
    supervised,
)


def decide(at: Situation) -> tuple[str, Verdict]:
    """Return the name of the first rule that applies and its verdict, the housekeeping that is always due appended."""
    for rule in RULES:
        verdict = rule(at)
        if verdict is not None:
            due = () if rule in (released, state_refused) else housekeeping(at) + deliveries(at) + closures(at)
            return rule.__name__, replace(verdict, actions=verdict.actions + _unsaid(verdict.actions, due))
    raise AssertionError("the last rule always applies")


def _unsaid(said: tuple[Action, ...], more: tuple[Action, ...]) -> tuple[Action, ...]:
    """What is due besides, without what a rule has already asked for: ending a former pod and removing a stray may be one."""
    seen = {(action.step, action.pod_uid, action.escalation) for action in said}
    return tuple(action for action in more if (action.step, action.pod_uid, action.escalation) not in seen)


def _stop(at: Situation) -> StopDecision | None:
    return at.state.stop if at.state else None


def _decide(phase: Phase, reason: Reason, message: str, intent: Intent = Intent.STOP) -> Verdict:
    stop = Action(intent, Step.STOP, reason, phase=phase, message=message)
    return Verdict(Phase.STOPPING, reason, message, (stop,))


def _ends(at: Situation, reason: Reason, live: tuple[PodFacts, ...]) -> tuple[tuple[Action, ...], datetime | None]:
    actions = tuple(action for pod in live if (action := protocol.end(at, pod, reason)))
    waits = [protocol.deaf_at(pod) for pod in live if pod.ending_since and not pod.deleting]
    return actions, min(waits, default=None)


def _ttl_seconds(at: Situation) -> int | None:
    spec, policy = at.snapshot.run.spec, at.snapshot.policy
    if spec is not None and spec.ttl_seconds_after_finished is not None:
        return spec.ttl_seconds_after_finished
    return policy.spec.ttl_seconds_after_finished if policy else None


def _block(at: Situation, agent: Agent) -> Block | None:
    return agents.judge(at, agent).block


def _standing(seen: tuple[AgentView, ...], holds: list[Hold], blocks: tuple[Block, ...]) -> tuple[Phase, Reason, str]:
    if blocks:
        return Phase.BLOCKED, blocks[0].reason, blocks[0].message
    phase = phase_of(seen)
    if holds:
        first = next((hold for hold in holds if hold.reason is Reason.AWAITING_APPROVAL), holds[0])
        phase = Phase.AWAITING_APPROVAL if first.reason is Reason.AWAITING_APPROVAL else phase
        return phase, first.reason, first.message
    stuck = next((view for view in seen if view.health is Health.STARTING and view.reason != Reason.STARTING), None)
    if stuck is not None:
        return phase, Reason.NOT_STARTING, f"agent {stuck.name}: {stuck.reason}: {stuck.message}"
    reasons = {Phase.QUEUED: Reason.QUEUED, Phase.PENDING: Reason.STARTING}
    return phase, reasons.get(phase, Reason.SUPERVISING), ""


def _count(agents: int) -> str:
    return "1 required agent" if agents == 1 else f"all {agents} required agents"
