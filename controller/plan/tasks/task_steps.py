"""The next step of a task: its pod is created gated, adopted, started and awaited, one try at a time.

The fence is that of a restarted attempt. No try is created while another pod of its agent is live, and the state moves on from a
try only after its pod has terminated.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.api.escalation import Decision
from controller.api.names import task_pod_name
from controller.api.run import Agent
from controller.api.tasks import TaskKind, TaskState
from controller.api.timestamps import later
from controller.plan import limits, refused_writes
from controller.plan.actions import AdoptTask, CreateTask, RecordTask, RenewWait, RetryTask, Ungate
from controller.plan.attempts import agent_end, start_stop
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision, Wait
from controller.plan.escalations import blocked
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts
from controller.plan.tasks import due, task_blocks
from controller.plan.tasks.ends import time_limit, times_out_at

REASONS = {TaskKind.VERIFY: Reason.VERIFYING, TaskKind.PUBLISH: Reason.PUBLISHING}

POLICY_CHECK_SECONDS = 30
"""How often to check again without a policy, which the start of a try needs."""


def records(at: PlanContext) -> Iterator[RecordTask]:
    """Yield the records that are due: of each try whose pod has terminated or is gone."""
    for agent in at.agents:
        task, pod = at.agent_state(agent.name).task, at.task_pod(agent.name)
        if task and task.pod_uid and (pod is None or pod.terminated):
            attempt, name = due.attempt_of(at.agent_state(agent.name)), pod.name if pod else ""
            reason = Reason.OUTCOME_RECORDED
            yield RecordTask(reason=reason, agent=agent.name, attempt=attempt, pod=name, pod_uid=task.pod_uid)


def answered(at: PlanContext, agent: Agent) -> AgentDecision | None:
    """Return the decision that carries out a human's Retry or Wait on the agent's escalation, once."""
    state, found = at.agent_state(agent.name), at.standing_escalation(agent.name)
    if found is None or found.decision is None or state.blocked is None or state.blocked.decision:
        return None
    if found.decision is Decision.RETRY and state.task and state.task.failure:
        return AgentDecision((RetryTask(reason=Reason.RETRY_ORDERED, agent=agent.name, escalation=found.name),))
    if found.decision in (Decision.RETRY, Decision.WAIT):
        reason = Reason.RETRY_ORDERED if found.decision is Decision.RETRY else Reason.WAIT_ORDERED
        return AgentDecision((RenewWait(reason=reason, agent=agent.name, escalation=found.name, decision=found.decision),))
    return None


def next_step(at: PlanContext, agent: Agent, task: TaskState) -> AgentDecision:
    """Return the decision for a task without the end of a pod to record."""
    pod = at.task_pod(agent.name)
    if pod is not None:
        return _of_pod(at, agent, task, pod)
    if task.failure:
        return AgentDecision(block=task_blocks.held(at, agent.name, task))
    if at.policy is None:
        check = later(at.now, POLICY_CHECK_SECONDS)
        return AgentDecision(hold=Wait(at.snapshot.policy_reason, at.snapshot.policy_refusal, check))
    if task.retry_at and at.now < task.retry_at:
        return AgentDecision(hold=_wait(agent, task, f"the next try follows at {task.retry_at:%H:%M:%S} UTC", task.retry_at))
    return _start(at, agent, task)


def _start(at: PlanContext, agent: Agent, task: TaskState) -> AgentDecision:
    """Return the next step before the pod of a try is started, or why it waits."""
    step = _before_start(at, agent, task)
    if not isinstance(step, Wait):
        return _unless_refused(at, agent, task, step)
    if step.reason is Reason.BEYOND_POLICY:
        return AgentDecision(hold=step, block=blocked.beyond_policy(at, agent.name, step.message))
    return AgentDecision(hold=step, block=blocked.name_taken(at, agent.name, step.reason, step.message) if step.blocked else None)


def _unless_refused(
    at: PlanContext, agent: Agent, task: TaskState, step: CreateTask | AdoptTask | Ungate | start_stop.Ending
) -> AgentDecision:
    """Return a step, or the wait for one that was refused. The words are those of the try at work: its start is shown once."""
    refusal = refused_writes.of(at, step)
    hold = refused_writes.hold(at, refusal) if refusal else _wait(agent, task, f"in pod {step.pod}", None)
    return AgentDecision(() if refusal else (step,), hold=hold)


def _before_start(at: PlanContext, agent: Agent, task: TaskState) -> CreateTask | AdoptTask | start_stop.Ending | Wait:
    state = at.agent_state(agent.name)
    attempt = due.attempt_of(state)
    name = task_pod_name(at.snapshot.run.name, agent.name, attempt, task.kind, task.number)
    if wait := _others(at, agent, name):
        return wait
    pod, reason = next((pod for pod in at.snapshot.pods if pod.name == name), None), REASONS[task.kind]
    if pod is None:
        create = CreateTask(reason=reason, agent=agent.name, attempt=attempt, pod=name, kind=task.kind, number=task.number)
        return start_stop.beyond(at, limits.runtime(agent, at.policy)) or create
    if not at.ours(pod) or pod.deleting:
        return start_stop.taken(at, agent.name, pod)
    if not pod.gated:
        return start_stop.unsaved(at, pod)
    return AdoptTask(
        reason=reason, agent=agent.name, attempt=attempt, pod=name, pod_uid=pod.uid, kind=task.kind, number=task.number
    )


def _others(at: PlanContext, agent: Agent, name: str) -> start_stop.Ending | Wait | None:
    """Return what is due for the other live pods of the agent before a try of this name is created.

    A gated one is no obstacle: it starts only for a state that names it, and then this state is outdated.
    """
    others = tuple(pod for pod in at.live_pods() if pod.agent == agent.name and pod.name != name and not pod.gated)
    former = tuple(pod for pod in others if pod.attempt < at.agent_state(agent.name).attempt)
    if former:
        return start_stop.wait_for_former(at, former)
    names, check = ", ".join(pod.name for pod in others), later(at.now, start_stop.NAMESAKE_CHECK_SECONDS)
    return Wait(Reason.PREDECESSOR_ENDING, f"waiting until pod {names} has ended", check) if others else None


def _of_pod(at: PlanContext, agent: Agent, task: TaskState, pod: PodFacts) -> AgentDecision:
    """Return the decision about the live pod of a try."""
    if pod.gated and not pod.deleting:
        start = Ungate(reason=REASONS[task.kind], agent=agent.name, attempt=pod.attempt, pod=pod.name, pod_uid=pod.uid)
        return _unless_refused(at, agent, task, start)
    limit = times_out_at(agent, task.kind, pod) or later(at.now, time_limit(agent, task.kind))
    ends = (_end_reason(at, agent, task, pod, limit), Reason.PROLONGED if pod.deleting else None)
    reason = next(filter(None, ends), None)
    step = start_stop.end(at, pod, reason) if reason else None
    over = agent_end.over_at(at, pod)
    checks = (start_stop.force_delete_at(pod), over, limit)
    check = min(check for check in checks if check and check > at.now) if any(c and c > at.now for c in checks) else None
    return AgentDecision((step,) if step else (), hold=_wait(agent, task, f"in pod {pod.name}", check))


def _end_reason(at: PlanContext, agent: Agent, task: TaskState, pod: PodFacts, limit: datetime) -> Reason | None:
    """Return why the live pod of a try is ended; None while it works."""
    if at.due_task(agent.name) is not task.kind:
        return Reason.TASK_NOT_DUE
    if agent_end.is_over(at, pod):
        return Reason.TASK_ENDED
    return Reason.TASK_TIMED_OUT if at.now >= limit and not pod.agent_ended else None


def _wait(agent: Agent, task: TaskState, text: str, check: datetime | None) -> Wait:
    doing = "verified" if task.kind is TaskKind.VERIFY else "published"
    last = f"; the last try: {task.message}" if task.message else ""
    return Wait(REASONS[task.kind], f"agent {agent.name}: its work is being {doing}, {text}{last}", check)
