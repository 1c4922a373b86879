"""An agent that ends before its pod does: other containers run on, such as a helper, a browser or an injected proxy.

The agent's end is recorded once the pod had its grace period to end by itself. Then the pod is ended. Nothing else follows from
the end before the pod has terminated, so that the reporter's last words count and no attempt begins beside it.
"""

from __future__ import annotations

from datetime import datetime

from controller.api.operator_state import AgentState, Outcome, OutcomeResult
from controller.api.run import Agent
from controller.api.timestamps import later
from controller.plan.attempts import start_stop
from controller.plan.context import PlanContext
from controller.plan.escalations import questions
from controller.plan.outcomes import SPOKEN, known
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts

KUBELET_SECONDS = 10
"""How long after the grace period a pod whose containers have all ended may take to be reported as ended: a busy kubelet was seen
to take some seconds."""


def over_at(at: PlanContext, pod: PodFacts) -> datetime | None:
    """Return when an ended agent is recorded at the latest, although its pod runs on; None while the agent works.

    The pod's own end comes first where nothing holds it up: the kubelet ends sidecars with the last other container. An end that
    lies further ahead than that comes from a node whose clock is wrong.
    """
    if not pod.agent_ended:
        return None
    end = pod.termination.finished_at if pod.termination else None
    patience = pod.grace_seconds + KUBELET_SECONDS
    ahead = end is not None and end > later(at.now, patience)
    return at.now if end is None or ahead else later(end, patience)


def is_over(at: PlanContext, pod: PodFacts) -> bool:
    """Whether the end of a pod's agent is recorded now: its pod has terminated, or had its time to."""
    over = over_at(at, pod)
    return pod.terminated or (over is not None and at.now >= over)


def remains(at: PlanContext, agent: str) -> PodFacts | None:
    """Return the pod of an attempt whose end is on record, while it has not terminated."""
    pod = at.own_pod(agent)
    return pod if pod and at.outcome(agent) is not None and not pod.terminated else None


def end_remains(at: PlanContext, pod: PodFacts) -> tuple[start_stop.Ending, ...]:
    """Return the next step of ending the rest of a pod whose agent's end is on record."""
    step = start_stop.end(at, pod, Reason.AGENT_ENDED)
    return (step,) if step else ()


def outcome_of(at: PlanContext, agent: str, attempt: int) -> Outcome:
    """Return how an attempt ended, as far as that is known now: that of the agent's pod, or of its finished predecessor."""
    ending = at.state is not None and (at.state.stop is not None or at.state.paused_at is not None)
    pod = at.own_pod(agent) or at.finished_predecessor(agent)
    report = at.report_of(pod) if pod else at.report(agent)
    known_before = questions.known(at, report) if report else ()
    return at.ended(pod, attempt, report, ending=ending, settled=known_before)


FINAL = SPOKEN | {Reason.VERIFICATION_FAILED}
"""Reasons of recorded ends that no further report changes: the agent has spoken, or somebody else has judged its work."""


def spoke_since(at: PlanContext, agent: Agent, state: AgentState) -> bool:
    """Whether the agent's own words about its end, or a limit that it met, arrived after the end was recorded by the kubelet's.

    A reporter may send its last report when the rest of the pod ends. Work that is on record as done stays done.
    """
    recorded, report = state.outcome, at.report(agent.name)
    if recorded is None or known(recorded) in FINAL or report is None or not (report.result or report.parked or report.limit):
        return False
    reported = outcome_of(at, agent.name, recorded.attempt)
    if known(reported) is Reason.PROVIDER_LIMITED:
        return known(recorded) is Reason.TEMPORARY
    done = recorded.result is OutcomeResult.COMPLETED
    return known(reported) in SPOKEN and (reported.result is OutcomeResult.COMPLETED or not done)
