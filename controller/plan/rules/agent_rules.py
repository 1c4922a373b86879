"""The rules for one agent, in the order in which they are checked; the first that returns a decision applies.

A check is a small pure function from a `PlanContext` and an agent to an `AgentDecision`, or None if it does not apply.
`AGENT_RULES` at the end is the list; `health_rules` has the checks of a running agent's health. Each agent is judged alone: a
problem of one agent never stops another's start or restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.api.escalation import Decision
from controller.api.operator_state import OutcomeResult
from controller.api.run import Agent
from controller.api.tasks import TaskKind
from controller.api.timestamps import later
from controller.plan import refused_writes
from controller.plan.actions import RenewWait
from controller.plan.attempts import agent_end, restarts, start_stop, unreachable
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.escalations import blocked, questions
from controller.plan.intents import Charge
from controller.plan.model import Block
from controller.plan.providers import starts
from controller.plan.reasons import Reason
from controller.plan.rule import Rule
from controller.plan.rules.health_rules import pending, pending_pod, running_pod, silent, stalled, unprogressive, unready
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import task_steps

AgentRule = Rule[Callable[[PlanContext, Agent], AgentDecision | None]]

POLICY_CHECK_SECONDS = 30
"""How often to check again without a policy. A new policy triggers a pass at once; this covers a lost event."""


def complete(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """Finished work is never started again. The rest of its pod is ended."""
    if not at.completed(agent.name):
        return None
    pod = agent_end.remains(at, agent.name)
    return AgentDecision(agent_end.end_remains(at, pod), check_at=start_stop.force_delete_at(pod)) if pod else AgentDecision()


def verifying(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """The agent's work is done and has to be verified, in a pod of its own, before the agent is complete."""
    return _task(at, agent, TaskKind.VERIFY)


def publishing(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """The agent's work is done, verified where its spec asks for that, and has to be published, in a pod of its own."""
    return _task(at, agent, TaskKind.PUBLISH)


def _task(at: PlanContext, agent: Agent, kind: TaskKind) -> AgentDecision | None:
    task = at.task(agent.name)
    if task is None or task.kind is not kind:
        return None
    if pod := agent_end.remains(at, agent.name):
        return lost(at, agent) or _end_remains(at, pod)
    if found := task_steps.answered(at, agent):
        return found
    # A request for a restart waits while a try is at work: the state moves on only from one that has ended.
    if task.failure and (asked := asked_to_restart(at, agent)):
        return asked
    pod = at.task_pod(agent.name)
    stuck = pending_pod(at, pod) if pod and not pod.agent_ended and not pod.deleting else None
    return lost(at, agent) or stuck or task_steps.next_step(at, agent, task)


def asked_to_restart(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """spec.restartedAt names a new time for the agent: it gets one uncharged attempt."""
    state = at.agent_state(agent.name)
    asked = (at.spec.restarted_at or {}).get(agent.name)
    pod = at.own_pod(agent.name)
    # Start a gated attempt before replacing it. An earlier pass may still remove its gate, and then no saved state would name the
    # pod.
    if asked is None or asked == state.restarted_at or not state.pod_uid or (pod and pod.gated and not pod.deleting):
        return None
    return restarts.reserve(at, agent, Reason.RESTART_REQUESTED, Charge.UNCHARGED)


def answered(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """A human's Retry or Wait on the agent's escalation is applied once. (Stop applies to the Run: see
    `completion_rules.stop_ordered`.)
    """
    state, found = at.agent_state(agent.name), at.standing_escalation(agent.name)
    if found is None or state.blocked is None or state.blocked.decision or found.attempt != state.attempt:
        return None
    if found.decision is Decision.RETRY and state.pod_uid:
        return restarts.reserve(at, agent, Reason.RETRY_ORDERED, Charge.UNCHARGED)
    if found.decision in (Decision.RETRY, Decision.WAIT):
        # Retry without a pod: the start is retried anyway, so both answers only extend its time.
        reason = Reason.RETRY_ORDERED if found.decision is Decision.RETRY else Reason.WAIT_ORDERED
        return AgentDecision((RenewWait(reason=reason, agent=agent.name, escalation=found.name, decision=found.decision),))
    return None


def remaining(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """The agent has ended and other containers of its pod run on: the pod is ended, and nothing else is decided before it has."""
    own = at.own_pod(agent.name)
    if pod := agent_end.remains(at, agent.name):
        return lost(at, agent) or _end_remains(at, pod)
    over = agent_end.over_at(at, own) if own and not own.terminated else None
    return AgentDecision(check_at=over) if over else None


def _end_remains(at: PlanContext, pod: PodFacts) -> AgentDecision:
    text = f"the agent has ended; waiting until the rest of pod {pod.name} has ended"
    check = start_stop.force_delete_at(pod) if not pod.deleting else None
    return AgentDecision(agent_end.end_remains(at, pod), hold=Wait(Reason.AGENT_ENDED, text, check))


def parked(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """An agent that parked gets its next attempt, uncharged, when a human has answered or dismissed its questions.

    Each answer or dismissal wakes it once. An agent that nothing wakes any more is restarted like any that has ended, see `ended`.
    """
    outcome = at.outcome(agent.name)
    if outcome is None or outcome.result is not OutcomeResult.PARKED:
        return None
    if questions.parked_for(at, agent.name):
        waiting = questions.open_questions(at, agent.name, for_delivery=False)
        return AgentDecision(questions.escalation_actions(at, agent.name), hold=questions.hold(at, agent.name, waiting))
    reason = questions.wakes(at, agent.name)
    return restarts.reserve(at, agent, reason, Charge.UNCHARGED) if reason else None


def ended(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """The attempt ended without completing: restart it, wait for its cooldown, or ask a human."""
    outcome = at.outcome(agent.name)
    if outcome is None:
        return None
    if at.policy is None:
        check = later(at.now, POLICY_CHECK_SECONDS)
        return AgentDecision(hold=Wait(at.snapshot.policy_reason, at.snapshot.policy_refusal, check))
    return restarts.after(at, agent, outcome, at.policy)


def lost(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """A live pod that cannot be reached never gets a second one, since it may still run."""
    pods = [pod for pod in at.live_pods() if pod.agent == agent.name]
    if at.policy is None:
        return None
    if block := unreachable.block_of(at, pods):
        return AgentDecision(block=block, check_at=unreachable.check_at(at, pods))
    suspected = any(pod.node_lost_since for pod in pods)
    return AgentDecision(check_at=unreachable.check_at(at, pods)) if suspected else None


def asking(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """A live agent waits for an answer: a human is asked, and its timers stop. They begin anew when a dismissal is noticed."""
    if not running_pod(at, agent):
        return None
    waiting, noticed = questions.open_questions(at, agent.name), questions.notices(at, agent.name)
    if waiting:
        due = (*questions.escalation_actions(at, agent.name), *noticed)
        return AgentDecision(due, hold=questions.hold(at, agent.name, waiting))
    return AgentDecision(noticed) if noticed else None


def starting(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """The agent's attempt is started, one step at a time, after its former pod has ended, and when its provider admits it."""
    step = start_stop.start(at, agent)
    if step is None:
        return None
    if isinstance(step, start_stop.Starting) and (waits := starts.hold(at, agent.name)):
        return AgentDecision(hold=waits)
    if not isinstance(step, Wait):
        refusal = refused_writes.of(at, step)
        return AgentDecision(hold=refused_writes.hold(at, refusal)) if refusal else AgentDecision((step,))
    if step.reason is Reason.BEYOND_POLICY:
        return AgentDecision(hold=step, block=blocked.beyond_policy(at, agent.name, step.message))
    if step.blocked:
        return AgentDecision(hold=step, block=blocked.name_taken(at, agent.name, step.reason, step.message))
    return AgentDecision(hold=step, block=_stuck(at, agent, step) if start_stop.waits_for_long(at, agent.name) else None)


def _stuck(at: PlanContext, agent: Agent, step: Wait) -> Block | None:
    """Return the block of an attempt that has been waiting for its start for long."""
    return blocked.namesake_terminating(at, agent.name, step.message) if step.reason is Reason.NAMESAKE_TERMINATING else None


AGENT_RULES: tuple[AgentRule, ...] = (
    Rule("complete", "The agent has completed and is never started again.", complete),
    Rule("verifying", "The agent's work is done: it is verified in a pod of its own before the agent is complete.", verifying),
    Rule("publishing", "The agent's work is done, and verified if it has to be: it is published in a pod of its own.", publishing),
    Rule("asked_to_restart", "spec.restartedAt names a new time for the agent: it gets one uncharged attempt.", asked_to_restart),
    Rule("answered", "Somebody answered the agent's escalation with Retry or Wait; the answer is applied once.", answered),
    Rule("remaining", "The agent has ended and other containers of its pod run on: the pod is ended.", remaining),
    Rule("parked", "The agent parked: it gets its next attempt, uncharged, when its questions are answered or dismissed.", parked),
    Rule("ended", "The attempt ended without completing: it is restarted, waits for its cooldown, or is escalated.", ended),
    Rule(
        "lost", "The agent's node is lost, or its pod does not end: no second pod is started beside one that may still run.", lost
    ),
    Rule("asking", "The agent waits for an answer: a human is asked, and its timers stand still.", asking),
    Rule("unready", "The agent was ready and has failed its readiness probe since: it is restarted like a failed one.", unready),
    Rule("stalled", "The agent does nothing, by its own fresh report: it is restarted like a failed one.", stalled),
    Rule(
        "starting",
        "The agent's attempt is started, one step at a time, once its former pod has ended and its provider admits it.",
        starting,
    ),
    Rule("pending", "The pod does not start: it is escalated with the kubelet's or the scheduler's message.", pending),
    Rule("unprogressive", "The agent is active without progress: it is escalated, with what it has spent.", unprogressive),
    Rule("silent", "The reporter is silent: that never costs a restart, and is escalated if it lasts.", silent),
)


def judge(at: PlanContext, agent: Agent) -> AgentDecision:
    """Return the decision of the first rule that applies to an agent, an empty one while it works. Each is judged once a plan."""
    if agent.name not in at.decided:
        decisions = (rule.check(at, agent) for rule in AGENT_RULES)
        found = next((decision for decision in decisions if decision is not None), AgentDecision())
        at.decided[agent.name] = found if found.block else replace(found, block=refused_writes.block(at, agent.name))
    return at.decided[agent.name]
