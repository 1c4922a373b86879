"""The rules for a Run, in the order in which they are checked; the first that returns a verdict applies.

A check is a small pure function from a `PlanContext` to a `Verdict`, or None if it does not apply. `RULES` at the end is the list.
`completion_rules` has the rules that end a Run, `ending_rules` those that end its pods for that; `agent_rules` has those for one
agent, which `running` combines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.api.base import MAX_TEXT
from controller.api.phases import Phase
from controller.api.run import DesiredState
from controller.api.timestamps import later
from controller.api.violations import summary
from controller.plan.actions import Action, DeletePod, DeleteRun, RecordOutcome
from controller.plan.attempts import agent_end, start_stop
from controller.plan.attempts.cleanup import housekeeping, remove_finalizers
from controller.plan.context import PlanContext
from controller.plan.escalations.answers import deliveries
from controller.plan.escalations.lifecycle import phase_changes
from controller.plan.model import Verdict
from controller.plan.reasons import Reason
from controller.plan.rule import Rule
from controller.plan.rules.completion_rules import (
    completed,
    deadline_passed,
    end,
    next_end,
    outcome_fatal,
    question_timed_out,
    stale,
    stop_ordered,
    token_budget_exceeded,
    unanswered,
)
from controller.plan.rules.ending_rules import decided_stop, halted, paused, resumed, stopping
from controller.plan.rules.refusals import with_refusals
from controller.plan.rules.running import supervised
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import task_steps

RunRule = Rule[Callable[[PlanContext], Verdict | None]]


def released(at: PlanContext) -> Verdict | None:
    """A deleted Run releases its pods, and the operator never acts for it again."""
    if at.snapshot.run.gone:
        return Verdict(Phase.STOPPING, Reason.RUN_DELETED, actions=remove_finalizers(at, Reason.RUN_DELETED))
    if at.snapshot.namespace_terminating:
        due = tuple(
            start_stop.remove_finalizer(pod, Reason.NAMESPACE_TERMINATING)
            for pod in at.our_pods()
            if pod.deleting and pod.has_finalizer
        )
        return Verdict(Phase.STOPPING, Reason.NAMESPACE_TERMINATING, actions=due)
    return None


def state_refused(at: PlanContext) -> Verdict | None:
    """Without a trustworthy record of earlier actions, nothing may be done."""
    if not at.snapshot.state_refusal:
        return None
    return Verdict(Phase.BLOCKED, Reason.STATE_REFUSED, at.snapshot.state_refusal)


def terminal(at: PlanContext) -> Verdict | None:
    """A finished Run is kept until its TTL is over, then deleted."""
    stop = decided_stop(at)
    if stop is None or stop.completed_at is None:
        return None
    held = Verdict(stop.phase, Reason(stop.reason), stop.message)
    seconds = _ttl_seconds(at)
    if seconds is None:
        return held
    expiry = later(stop.completed_at, seconds)
    if at.now < expiry:
        return replace(held, next_check=expiry)
    return replace(held, actions=(DeleteRun(reason=Reason.TTL_EXPIRED),))


def recorded(at: PlanContext) -> Verdict | None:
    """An ended attempt, or an ended try of a task, is recorded before any decision follows from it."""
    due: list[Action] = [*task_steps.records(at)]
    for agent in at.agents:
        state = at.agent_state(agent.name)
        pod = at.own_pod(agent.name)
        if state.outcome is not None:
            if agent_end.spoke_since(at, agent, state):
                due.append(_record(agent.name, state.attempt, pod, state.pod_uid))
            continue
        if state.pod_uid and (pod is None or agent_end.is_over(at, pod)):
            due.append(_record(agent.name, state.attempt, pod, state.pod_uid))
        elif finished := at.finished_predecessor(agent.name):
            due.append(_record(agent.name, finished.attempt, finished, finished.uid))
    return Verdict(Phase.RUNNING, Reason.OUTCOME_RECORDED, actions=tuple(due)) if due else None


def _record(agent: str, attempt: int, pod: PodFacts | None, uid: str) -> RecordOutcome:
    name = pod.name if pod else ""
    return RecordOutcome(reason=Reason.OUTCOME_RECORDED, agent=agent, attempt=attempt, pod=name, pod_uid=uid)


def stop_requested(at: PlanContext) -> Verdict | None:
    """DesiredState Stopped ends the Run permanently, even if a newer operator refuses its template while its agents run."""
    spec = at.snapshot.run.spec
    if spec is None or spec.desired_state is not DesiredState.STOPPED:
        return None
    return end(Phase.STOPPED, Reason.STOP_REQUESTED, "spec.desiredState is Stopped")


def spec_refused(at: PlanContext) -> Verdict | None:
    """A spec that cannot be read, or that contains something that is not allowed, blocks the Run; the message has the paths."""
    if why := at.snapshot.run.unreadable:
        return Verdict(Phase.BLOCKED, Reason.UNREADABLE, f"the operator cannot read this Run: {why}")
    violations = at.snapshot.run.violations
    if not violations:
        return None
    return Verdict(Phase.BLOCKED, Reason.SPEC_REFUSED, summary(violations, MAX_TEXT))


def queued(at: PlanContext) -> Verdict | None:
    """The policy's maxActiveRuns is reached: the Run waits before it starts or resumes."""
    if not at.snapshot.queued or at.live_pods():
        return None
    limit = at.policy.max_active_runs if at.policy else None
    return Verdict(Phase.QUEUED, Reason.RUNS_QUEUED, f"{limit} Runs of this policy are active (maxActiveRuns)")


def policy_refused(at: PlanContext) -> Verdict | None:
    """Without a readable policy no agent is started; running ones continue."""
    if at.snapshot.policy is not None or all(at.agent_state(agent.name).pod_uid for agent in at.agents):
        return None
    return Verdict(Phase.PENDING, at.snapshot.policy_reason, at.snapshot.policy_refusal, next_check=next_end(at))


RULES: tuple[RunRule, ...] = (
    Rule("released", "A deleted Run, or one in a terminating namespace, releases its pods and gets no new ones.", released),
    Rule("state_refused", "The operator's record of this Run cannot be trusted, so nothing is done.", state_refused),
    Rule("terminal", "A finished Run is kept until its TTL expires, then deleted.", terminal),
    Rule("recorded", "An attempt or a task has ended: its outcome is recorded before anything is decided from it.", recorded),
    Rule("stopping", "The Run was decided to end: live pods are ended first, then the Run is finished.", stopping),
    Rule("stop_requested", "spec.desiredState is Stopped: the Run ends for good.", stop_requested),
    Rule("halted", "A halt of the namespace or the cluster is in force: as in a pause, whatever the Run wants.", halted),
    Rule("spec_refused", "The spec cannot be read or asks for something that is not allowed.", spec_refused),
    Rule("paused", "spec.desiredState is Paused: live pods are ended gracefully and everything else is kept.", paused),
    Rule("queued", "The policy's maxActiveRuns is reached: the Run waits before it starts or resumes.", queued),
    Rule(
        "resumed",
        "A pause or a halt is over: when its last pod has ended, each unfinished agent gets a new, uncharged attempt.",
        resumed,
    ),
    Rule("completed", "All required agents completed before the deadline.", completed),
    Rule("deadline_passed", "The Run was active for longer than spec.activeDeadlineSeconds.", deadline_passed),
    Rule("token_budget_exceeded", "The agents used more tokens than spec.tokenBudget.", token_budget_exceeded),
    Rule("outcome_fatal", "A required agent's outcome fails the Run, by the policy's outcomes or onBudgetSpent.", outcome_fatal),
    Rule("stop_ordered", "Somebody answered an agent's escalation with Stop.", stop_ordered),
    Rule("unanswered", "An agent was blocked for longer than blockedTimeoutSeconds.", unanswered),
    Rule("question_timed_out", "Nobody answered a question in time, and the policy ends the Run then.", question_timed_out),
    Rule(
        "policy_refused", "The policy is missing or cannot be read: no agent is started, and running ones continue.", policy_refused
    ),
    Rule("stale", "No unfinished agent makes progress, by its own fresh reports, and nothing else is due for them.", stale),
    Rule("supervised", "Each agent is judged by its own rules: started, restarted, escalated, or left at its work.", supervised),
)

WITHOUT_HOUSEKEEPING = frozenset({"released", "state_refused"})
"""Rules without housekeeping: they cover all that is due for a deleted Run, or forbid every action."""


WITHOUT_QUESTIONS = WITHOUT_HOUSEKEEPING | {"supervised"}
"""Rules after which no human is asked about refused writes: those, and the one that asks about each agent itself."""


def decide(at: PlanContext) -> tuple[str, Verdict]:
    """Return the ID of the first rule that applies and its verdict, with the housekeeping that is always due appended."""
    for rule in RULES:
        verdict = rule.check(at)
        if verdict is not None:
            due = () if rule.id in WITHOUT_HOUSEKEEPING else housekeeping(at) + deliveries(at) + phase_changes(at)
            whole = replace(verdict, actions=verdict.actions + _without_duplicates(verdict.actions, due))
            return rule.id, with_refusals(at, whole, asks=rule.id not in WITHOUT_QUESTIONS)
    raise AssertionError("the last rule always applies")


def _without_duplicates(decided: tuple[Action, ...], more: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return the additional actions without deletions that a rule has decided: a stray pod may be a former pod that must end."""
    deleted = {action.pod_uid for action in decided if isinstance(action, DeletePod)}
    return tuple(action for action in more if not (isinstance(action, DeletePod) and action.pod_uid in deleted))


def _ttl_seconds(at: PlanContext) -> int | None:
    spec, policy = at.snapshot.run.spec, at.snapshot.policy
    if spec is not None and spec.ttl_seconds_after_finished is not None:
        return spec.ttl_seconds_after_finished
    return policy.spec.ttl_seconds_after_finished if policy else None
