"""Random situations: any mix of policy, state, pods and escalations that the API server could hold.

Hypothesis examines each new strategy, which takes longer than to draw from it: here each is made once, and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from hypothesis import strategies as st

from controller.api.agent_report import LimitKind
from controller.api.base import MAX_SECONDS
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.llm_policy import LLMMode
from controller.api.names import FINALIZER_OUTCOME, escalation_name, pod_name, task_pod_name
from controller.api.operator_state import (
    AgentState,
    BlockedState,
    LastFailure,
    OperatorState,
    Outcome,
    OutcomeResult,
    ResultStatus,
    StopDecision,
    Usage,
)
from controller.api.phases import Phase
from controller.api.policy import OnRepeatedFailures, OutcomeAction, OutcomeRule, RepeatedFailures, RunPolicySpec
from controller.api.publishing import Publish, PublishGit
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.api.tasks import TaskKind, TaskState
from controller.api.verification import VerificationResult, VerificationState, Verify
from controller.plan.attempts.repeated_failures import STALLED
from controller.plan.reasons import Reason
from controller.plan.snapshot import (
    ClaimFacts,
    EscalationFacts,
    HaltFacts,
    LimitFacts,
    PodEvents,
    PodFacts,
    QuestionFacts,
    Refusal,
    ReportFacts,
    RunFacts,
    Snapshot,
    Termination,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
RUN, UID = "demo", "run-1"
ATTEMPTS = st.integers(0, 3)
TIMES = st.integers(-90_000, 90_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
PAST = st.integers(-90_000, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
"""Up to 25 hours, so that every default threshold is in range."""
AGES = st.integers(0, 10_000).map(lambda seconds: timedelta(seconds=seconds))
Agents = tuple[str, ...]


ASKED = ["e0", "e1", escalation_name(RUN, "coder", UID, EscalationType.QUESTION, "q0")]


@cache
def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for an optional value."""
    return st.none() | strategy


@lru_cache(maxsize=None, typed=True)  # 0 is not False
def among(*values: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for one of these values."""
    return st.sampled_from(values)


@cache
def some(strategy: st.SearchStrategy[Any], **bounds: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a list of different values."""
    return st.lists(strategy, unique=True, **bounds)


UIDS = among("u0", "u1", "u2")
BOOLS = st.booleans()
IDS = some(among("q0", "q1"))
KINDS = among(None, None, *TaskKind)
NUMBERS, SIZES, SEQUENCES = st.integers(0, 2), st.integers(1, 3), st.integers(1, 9)
SECONDS, TTLS = st.integers(1, 90_000), st.integers(0, 90_000)


def model(kind: Callable[..., Any], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for a model's instances; unlike `st.builds` it infers nothing from aliases."""
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


TERMINATIONS = st.builds(
    Termination,
    among(0, 1, 75, 77, 78, 137),
    among("", "Completed", "Error", "OOMKilled", "ContainerStatusUnknown", "StartError"),
    started_at=maybe(PAST),
    finished_at=maybe(PAST),
)

OUTCOMES = model(
    Outcome,
    attempt=ATTEMPTS,
    result=st.sampled_from(OutcomeResult),
    reason=among(*(reason.value for reason in Reason)),
    exit_code=maybe(st.integers(0, 255)),
    finished_at=maybe(PAST),
)

BLOCKS = model(
    BlockedState,
    escalation=among("e0", "e1"),
    reason=st.just("RestartBudgetSpent"),
    since=PAST,
    expires_at=TIMES,
    decision=maybe(among(Decision.RETRY, Decision.WAIT)),
)

TASKS = model(
    TaskState,
    kind=st.sampled_from(TaskKind),
    number=st.integers(0, 2),
    pod_uid=st.just("") | UIDS,
    retry_at=maybe(TIMES),
    faults=st.integers(0, 5),
    failure=among("", "", "VerificationUnavailable", "PublishRefused"),
)

VERIFICATIONS = model(
    VerificationState,
    attempt=ATTEMPTS,
    result=among(VerificationResult.PASSED, VerificationResult.FAILED),
    digest=among("", "0"),
    repeated=st.integers(0, 1),
)

VERIFY = Verify(command=("check",))
PUBLISH = Publish(git=PublishGit(branch="work"))

FAILURES = model(LastFailure, attempt=ATTEMPTS, digest=among("0", STALLED), times=st.integers(1, 3))

AGENT_STATES = model(
    AgentState,
    attempt=ATTEMPTS,
    pod_uid=st.just("") | UIDS,
    outcome=maybe(OUTCOMES),
    restarts=st.integers(0, 4),
    free_restarts=st.integers(0, 21),
    limited_restarts=among(0, 99, 100),
    last_restart_at=maybe(PAST),
    cooldown_until=maybe(TIMES),
    restarted_at=maybe(PAST),
    blocked=maybe(BLOCKS),
    asked=some(among(*ASKED), max_size=2).map(tuple),
    woken_for=some(among(*ASKED), max_size=2).map(tuple),
    task=maybe(TASKS),
    verification=maybe(VERIFICATIONS),
    last_failure=maybe(FAILURES),
)

STOPS = model(
    StopDecision,
    phase=among(Phase.COMPLETED, Phase.FAILED, Phase.STOPPED),
    reason=among("AllAgentsComplete", "DeadlineExceeded", "BlockedTimeout"),
    at=PAST,
    completed_at=maybe(PAST),
)

RESULTS = model(ResultStatus, outcome=among("Completed", "Failed"))
USAGES = model(Usage, input_tokens=st.integers(0, 2000))
REPEATED = model(RepeatedFailures, count=st.integers(2, 3), action=st.sampled_from(OnRepeatedFailures))

POLICIES = model(
    RunPolicySpec,
    unhealthy_confirmations=st.integers(1, 3),
    restart_budget=st.integers(0, 3),
    restart_budget_per_agent=maybe(st.integers(0, 2)),
    restart_cooldown_seconds=among(0, 60),
    dry_run=st.booleans(),
    repeated_failures=maybe(REPEATED),
    outcomes=st.lists(model(OutcomeRule, exit_codes=st.just((1,)), action=st.sampled_from(OutcomeAction)), max_size=1).map(tuple),
)


@cache
@st.composite
def pods(draw: st.DrawFn, agents: Agents) -> PodFacts:
    """Return a pod of one of the agents, or one with such a name only."""
    agent, attempt = draw(among(*agents)), draw(ATTEMPTS)
    phase = draw(among("Pending", "Running", "Failed", "Succeeded"))
    gated = phase == "Pending" and draw(BOOLS)
    bound = phase != "Pending" or (not gated and draw(BOOLS))
    deleting = draw(BOOLS)
    kind, number = draw(KINDS), draw(NUMBERS)
    return PodFacts(
        name=task_pod_name(RUN, agent, attempt, kind, number) if kind else pod_name(RUN, agent, attempt),
        task=kind.lower() if kind else "",
        task_number=number if kind else 0,
        pushed_words=draw(among("", f"commit {'c' * 40}")) if kind else "",
        uid=draw(UIDS),
        agent=agent,
        attempt=attempt,
        run_uid=draw(among(UID, UID, UID, "other", "")),
        phase=phase,
        gated=gated,
        bound=bound,
        node="n" if bound else "",
        created_at=draw(PAST),
        scheduled_at=draw(maybe(PAST)) if bound else None,
        started_at=draw(maybe(PAST)) if phase == "Running" else None,
        node_lost_since=draw(maybe(PAST)) if bound else None,
        ready=phase == "Running" and draw(BOOLS),
        unready_since=draw(maybe(PAST)) if phase == "Running" else None,
        deleting=deleting,
        deleted_at=draw(PAST) if deleting else None,
        forced=deleting and draw(BOOLS),
        deletion_grace_seconds=draw(among(0, 30, 31, MAX_SECONDS)) if deleting else 0,
        finalizers=draw(among((FINALIZER_OUTCOME,), ())),
        ending_since=draw(maybe(PAST)),
        disrupted_at=draw(maybe(PAST)),
        waiting_reason=draw(among("", "Unschedulable", "ImagePullBackOff")) if phase == "Pending" else "",
        without_agent=draw(among(False, False, False, True)),
        termination=draw(maybe(TERMINATIONS)) if phase != "Pending" else None,
        init_termination=draw(maybe(TERMINATIONS)) if phase == "Failed" else None,
        rejected=phase == "Failed" and draw(BOOLS),
        reporting=draw(BOOLS),
    )


@cache
@st.composite
def reports(draw: st.DrawFn, agent: str) -> ReportFacts:
    """Return an agent's report for any attempt."""
    stamp = draw(PAST)
    progress = draw(maybe(AGES))
    limit = draw(maybe(st.tuples(among(*LimitKind), AGES, maybe(PAST))))
    return ReportFacts(
        agent=agent,
        run_uid=draw(among(UID, UID, "other")),
        attempt=draw(ATTEMPTS),
        pod_uid=draw(UIDS),
        seq=draw(SEQUENCES),
        reported_at=stamp,
        interval_seconds=60,
        active_at=stamp - draw(AGES),
        progress_at=stamp - progress if progress is not None else None,
        questions=tuple(QuestionFacts(name, "Go on?") for name in draw(IDS)),
        delivered=tuple(draw(IDS)),
        read=tuple(draw(IDS)),
        parked=draw(BOOLS),
        result=draw(maybe(RESULTS)),
        usage=draw(maybe(USAGES)),
        turns=draw(NUMBERS),
        limit=LimitFacts(limit[0], stamp - limit[1], limit[2]) if limit else None,
        deliveries=tuple(draw(IDS)),
        dismissals=tuple(draw(IDS)),
    )


@cache
@st.composite
def states(draw: st.DrawFn, agents: Agents) -> OperatorState:
    """Return a saved state of some of the agents."""
    known = draw(some(among(*agents)))
    return OperatorState(
        run_uid=UID,
        started_at=draw(maybe(PAST)),
        paused_at=draw(maybe(PAST)),
        held_at=draw(maybe(PAST)),
        halted_at=draw(maybe(PAST)),
        stop=draw(maybe(STOPS)),
        agents={name: draw(AGENT_STATES) for name in known},
    )


@cache
@st.composite
def specs(draw: st.DrawFn, agents: Agents) -> RunSpec:
    """Return a spec that passes validation."""
    optional = draw(some(among(*agents[1:]))) if agents[1:] else []
    return RunSpec(
        agents=tuple(
            Agent(
                name=name,
                image="x",
                required=name not in optional,
                verify=draw(among(None, VERIFY)),
                publish=draw(among(None, None, PUBLISH)),
            )
            for name in agents
        ),
        desired_state=draw(among(DesiredState.RUNNING, *DesiredState)),
        active_deadline_seconds=draw(maybe(SECONDS)),
        ttl_seconds_after_finished=draw(maybe(TTLS)),
        restarted_at=draw(maybe(restarts(agents))),
        token_budget=draw(among(None, 1000)),
    )


@cache
@st.composite
def escalations(draw: st.DrawFn, agents: Agents) -> EscalationFacts:
    """Return an escalation, perhaps a forged one."""
    agent, question = draw(among(*agents)), draw(among("", "q0", "q1"))
    kind = EscalationType.QUESTION if question else EscalationType.BLOCKED
    name = escalation_name(RUN, agent, UID, kind, question) if question else draw(among("e0", "e1"))
    decisions = [Decision.ANSWER] if question else [Decision.RETRY, Decision.STOP, Decision.WAIT]
    return EscalationFacts(
        name=name,
        uid=name,
        run_uid=draw(among(UID, UID, "other")),
        agent=agent,
        attempt=draw(ATTEMPTS),
        phase=draw(maybe(among(*EscalationPhase))),
        decision=draw(maybe(among(*decisions))),
        type=kind,
        question=question,
        answer="yes" if question else "",
        expires_at=draw(maybe(TIMES)),
        delivered_at=draw(maybe(PAST)),
    )


@st.composite
def refusals(draw: st.DrawFn, agents: Agents, pods: list[PodFacts]) -> Refusal:
    """Return the refusal of a creation, or of any write to a pod."""
    if not pods or draw(BOOLS):
        return Refusal(draw(among(*agents)), "quota", attempt=draw(ATTEMPTS))
    pod, step = draw(st.sampled_from(pods)), draw(among("ungate", "end", "delete-pod", "release"))
    return Refusal(pod.agent, "policy", step, pod.attempt, pod.uid, pod.name)


@cache
def each_pod(agents: Agents) -> st.SearchStrategy[list[PodFacts]]:
    """Return a strategy for pods of different names and UIDs."""
    return st.lists(pods(agents), max_size=4, unique_by=(lambda pod: pod.name, lambda pod: pod.uid))


@cache
def claims(agents: Agents) -> st.SearchStrategy[list[ClaimFacts]]:
    """Return a strategy for a claim, of this Run or another, or none."""
    return st.lists(st.builds(ClaimFacts, among(*agents), among(UID, "other")), max_size=1)


@cache
def inbox(agents: Agents) -> st.SearchStrategy[list[EscalationFacts]]:
    """Return a strategy for escalations of different names."""
    return st.lists(escalations(agents), max_size=3, unique_by=lambda e: e.name)


@cache
def restarts(agents: Agents) -> st.SearchStrategy[dict[str, datetime]]:
    """Return a strategy for what people asked to be restarted."""
    return st.dictionaries(among(*agents), PAST)


@st.composite
def situations(draw: st.DrawFn) -> Snapshot:
    """Return a snapshot at `NOW`."""
    agents: Agents = ("coder", "tester", "helper")[: draw(SIZES)]
    gone = draw(among(*[False] * 7, True))
    found = draw(each_pod(agents))
    policy = draw(maybe(POLICIES))
    return Snapshot(
        run=RunFacts("ns", RUN, UID, 1, draw(specs(agents)), gone=gone, created_at=draw(PAST), refused_since=draw(maybe(PAST))),
        policy=ResolvedPolicy.of("default", policy) if policy else None,
        policy_refusal="" if policy else "RunPolicy default cannot be read",
        state=draw(maybe(states(agents))),
        state_refusal=draw(among(*[""] * 9, "erased")),
        pods=tuple(found),
        claims=tuple(draw(claims(agents))),
        refusals=tuple(draw(st.lists(refusals(agents, found), max_size=2))),
        pod_events=tuple(PodEvents(pod.uid, unread="forbidden") for pod in found if draw(BOOLS)),
        escalations=tuple(draw(inbox(agents))),
        reports=tuple(draw(reports(agent)) for agent in draw(some(among(*agents)))),
        mode=draw(among(*LLMMode)),
        namespace_terminating=draw(among(*[False] * 9, True)),
        queued=draw(among(*[False] * 5, True)),
        halt=draw(among(*[None] * 5, HaltFacts("alice", "an outage"))),
        turn_at=draw(maybe(PAST)),
    )
