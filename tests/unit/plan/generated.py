"""Random situations: any mix of policy, state, pods and escalations that the API server could hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
UIDS = st.sampled_from(["u0", "u1", "u2"])
TIMES = st.integers(-90_000, 90_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
PAST = st.integers(-90_000, 0).map(lambda seconds: NOW + timedelta(seconds=seconds))
"""Up to 25 hours, so that every default threshold is in range."""


ASKED = ["e0", "e1", escalation_name(RUN, "coder", UID, EscalationType.QUESTION, "q0")]


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for an optional value."""
    return st.none() | strategy


def model(kind: Callable[..., Any], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for a model's instances; unlike `st.builds` it infers nothing from aliases."""
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


TERMINATIONS = st.builds(
    Termination,
    st.sampled_from([0, 1, 75, 77, 78, 137]),
    st.sampled_from(["", "Completed", "Error", "OOMKilled", "ContainerStatusUnknown", "StartError"]),
    started_at=maybe(PAST),
    finished_at=maybe(PAST),
)

OUTCOMES = model(
    Outcome,
    attempt=ATTEMPTS,
    result=st.sampled_from(OutcomeResult),
    reason=st.sampled_from([reason.value for reason in Reason]),
    exit_code=maybe(st.integers(0, 255)),
    finished_at=maybe(PAST),
)

BLOCKS = model(
    BlockedState,
    escalation=st.sampled_from(["e0", "e1"]),
    reason=st.just("RestartBudgetSpent"),
    since=PAST,
    expires_at=TIMES,
    decision=maybe(st.sampled_from([Decision.RETRY, Decision.WAIT])),
)

TASKS = model(
    TaskState,
    kind=st.sampled_from(TaskKind),
    number=st.integers(0, 2),
    pod_uid=st.just("") | UIDS,
    retry_at=maybe(TIMES),
    faults=st.integers(0, 5),
    failure=st.sampled_from(["", "", "VerificationUnavailable", "PublishRefused"]),
)

VERIFICATIONS = model(
    VerificationState,
    attempt=ATTEMPTS,
    result=st.sampled_from([VerificationResult.PASSED, VerificationResult.FAILED]),
    digest=st.sampled_from(["", "0"]),
    repeated=st.integers(0, 1),
)

VERIFY = Verify(command=("check",))
PUBLISH = Publish(git=PublishGit(branch="work"))

FAILURES = model(LastFailure, attempt=ATTEMPTS, digest=st.sampled_from(["0", STALLED]), times=st.integers(1, 3))

AGENT_STATES = model(
    AgentState,
    attempt=ATTEMPTS,
    pod_uid=st.just("") | UIDS,
    outcome=maybe(OUTCOMES),
    restarts=st.integers(0, 4),
    free_restarts=st.integers(0, 21),
    last_restart_at=maybe(PAST),
    cooldown_until=maybe(TIMES),
    restarted_at=maybe(PAST),
    blocked=maybe(BLOCKS),
    asked=st.lists(st.sampled_from(ASKED), max_size=2, unique=True).map(tuple),
    woken_for=st.lists(st.sampled_from(ASKED), max_size=2, unique=True).map(tuple),
    task=maybe(TASKS),
    verification=maybe(VERIFICATIONS),
    last_failure=maybe(FAILURES),
)

STOPS = model(
    StopDecision,
    phase=st.sampled_from([Phase.COMPLETED, Phase.FAILED, Phase.STOPPED]),
    reason=st.sampled_from(["AllAgentsComplete", "DeadlineExceeded", "BlockedTimeout"]),
    at=PAST,
    completed_at=maybe(PAST),
)

REPEATED = model(RepeatedFailures, count=st.integers(2, 3), action=st.sampled_from(OnRepeatedFailures))

POLICIES = model(
    RunPolicySpec,
    unhealthy_confirmations=st.integers(1, 3),
    restart_budget=st.integers(0, 3),
    restart_budget_per_agent=maybe(st.integers(0, 2)),
    restart_cooldown_seconds=st.sampled_from([0, 60]),
    dry_run=st.booleans(),
    repeated_failures=maybe(REPEATED),
    outcomes=st.lists(model(OutcomeRule, exit_codes=st.just((1,)), action=st.sampled_from(OutcomeAction)), max_size=1).map(tuple),
)


@st.composite
def pods(draw: st.DrawFn, agents: list[str]) -> PodFacts:
    """Return a pod of one of the agents, or one with such a name only."""
    agent, attempt = draw(st.sampled_from(agents)), draw(ATTEMPTS)
    phase = draw(st.sampled_from(["Pending", "Running", "Failed", "Succeeded"]))
    gated = phase == "Pending" and draw(st.booleans())
    bound = phase != "Pending" or (not gated and draw(st.booleans()))
    deleting = draw(st.booleans())
    kind, number = draw(st.sampled_from([None, None, *TaskKind])), draw(st.integers(0, 2))
    return PodFacts(
        name=task_pod_name(RUN, agent, attempt, kind, number) if kind else pod_name(RUN, agent, attempt),
        task=kind.lower() if kind else "",
        task_number=number if kind else 0,
        pushed_words=draw(st.sampled_from(["", f"commit {'c' * 40}"])) if kind else "",
        uid=draw(UIDS),
        agent=agent,
        attempt=attempt,
        run_uid=draw(st.sampled_from([UID, UID, UID, "other", ""])),
        phase=phase,
        gated=gated,
        bound=bound,
        node="n" if bound else "",
        created_at=draw(PAST),
        scheduled_at=draw(maybe(PAST)) if bound else None,
        started_at=draw(maybe(PAST)) if phase == "Running" else None,
        node_lost_since=draw(maybe(PAST)) if bound else None,
        ready=phase == "Running" and draw(st.booleans()),
        unready_since=draw(maybe(PAST)) if phase == "Running" else None,
        deleting=deleting,
        deleted_at=draw(PAST) if deleting else None,
        forced=deleting and draw(st.booleans()),
        deletion_grace_seconds=draw(st.sampled_from([0, 30, 31, MAX_SECONDS])) if deleting else 0,
        finalizers=draw(st.sampled_from([(FINALIZER_OUTCOME,), ()])),
        ending_since=draw(maybe(PAST)),
        disrupted_at=draw(maybe(PAST)),
        waiting_reason=draw(st.sampled_from(["", "Unschedulable", "ImagePullBackOff"])) if phase == "Pending" else "",
        without_agent=draw(st.sampled_from([False, False, False, True])),
        termination=draw(maybe(TERMINATIONS)) if phase != "Pending" else None,
        init_termination=draw(maybe(TERMINATIONS)) if phase == "Failed" else None,
        rejected=phase == "Failed" and draw(st.booleans()),
        reporting=draw(st.booleans()),
    )


@st.composite
def reports(draw: st.DrawFn, agent: str) -> ReportFacts:
    """Return an agent's report for any attempt."""
    stamp = draw(PAST)
    ages = st.integers(0, 10_000).map(lambda seconds: stamp - timedelta(seconds=seconds))
    ids = st.lists(st.sampled_from(["q0", "q1"]), unique=True)
    return ReportFacts(
        agent=agent,
        run_uid=draw(st.sampled_from([UID, UID, "other"])),
        attempt=draw(ATTEMPTS),
        pod_uid=draw(UIDS),
        seq=draw(st.integers(1, 9)),
        reported_at=stamp,
        interval_seconds=60,
        active_at=draw(ages),
        progress_at=draw(maybe(ages)),
        questions=tuple(QuestionFacts(name, "Go on?") for name in draw(ids)),
        delivered=tuple(draw(ids)),
        read=tuple(draw(ids)),
        parked=draw(st.booleans()),
        result=draw(maybe(model(ResultStatus, outcome=st.sampled_from(["Completed", "Failed"])))),
        usage=draw(maybe(model(Usage, input_tokens=st.integers(0, 2000)))),
        turns=draw(st.integers(0, 2)),
        limit=draw(maybe(st.builds(LimitFacts, st.sampled_from(LimitKind), ages, st.none() | PAST))),
        deliveries=tuple(draw(ids)),
        dismissals=tuple(draw(ids)),
    )


@st.composite
def states(draw: st.DrawFn, agents: list[str]) -> OperatorState:
    """Return a saved state of some of the agents."""
    known = draw(st.lists(st.sampled_from(agents), unique=True))
    return OperatorState(
        run_uid=UID,
        started_at=draw(maybe(PAST)),
        paused_at=draw(maybe(PAST)),
        halted_at=draw(maybe(PAST)),
        stop=draw(maybe(STOPS)),
        agents={name: draw(AGENT_STATES) for name in known},
    )


@st.composite
def specs(draw: st.DrawFn, agents: list[str]) -> RunSpec:
    """Return a spec that passes validation."""
    optional = draw(st.sets(st.sampled_from(agents[1:]))) if agents[1:] else set()
    return RunSpec(
        agents=tuple(
            Agent(
                name=name,
                image="x",
                required=name not in optional,
                verify=draw(st.sampled_from([None, VERIFY])),
                publish=draw(st.sampled_from([None, None, PUBLISH])),
            )
            for name in agents
        ),
        desired_state=draw(st.sampled_from([DesiredState.RUNNING, *DesiredState])),
        active_deadline_seconds=draw(maybe(st.integers(1, 90_000))),
        ttl_seconds_after_finished=draw(maybe(st.integers(0, 90_000))),
        restarted_at=draw(maybe(st.dictionaries(st.sampled_from(agents), PAST))),
        token_budget=draw(maybe(st.just(1000))),
    )


@st.composite
def escalations(draw: st.DrawFn, agents: list[str]) -> EscalationFacts:
    """Return an escalation, perhaps a forged one."""
    agent, question = draw(st.sampled_from(agents)), draw(st.sampled_from(["", "q0", "q1"]))
    kind = EscalationType.QUESTION if question else EscalationType.BLOCKED
    name = escalation_name(RUN, agent, UID, kind, question) if question else draw(st.sampled_from(["e0", "e1"]))
    decisions = [Decision.ANSWER] if question else [Decision.RETRY, Decision.STOP, Decision.WAIT]
    return EscalationFacts(
        name=name,
        uid=name,
        run_uid=draw(st.sampled_from([UID, UID, "other"])),
        agent=agent,
        attempt=draw(ATTEMPTS),
        phase=draw(maybe(st.sampled_from(EscalationPhase))),
        decision=draw(maybe(st.sampled_from(decisions))),
        type=kind,
        question=question,
        answer="yes" if question else "",
        expires_at=draw(maybe(TIMES)),
        delivered_at=draw(maybe(PAST)),
    )


@st.composite
def refusals(draw: st.DrawFn, agents: list[str], pods: list[PodFacts]) -> Refusal:
    """Return the refusal of a creation, or of any write to a pod."""
    if not pods or draw(st.booleans()):
        return Refusal(draw(st.sampled_from(agents)), "quota", attempt=draw(ATTEMPTS))
    pod, step = draw(st.sampled_from(pods)), draw(st.sampled_from(["ungate", "end", "delete-pod", "release"]))
    return Refusal(pod.agent, "policy", step, pod.attempt, pod.uid, pod.name)


@st.composite
def situations(draw: st.DrawFn) -> Snapshot:
    """Return a snapshot at `NOW`."""
    agents = ["coder", "tester", "helper"][: draw(st.integers(1, 3))]
    gone = draw(st.sampled_from([False] * 7 + [True]))
    found = draw(st.lists(pods(agents), max_size=4, unique_by=(lambda pod: pod.name, lambda pod: pod.uid)))
    policy = draw(maybe(POLICIES))
    return Snapshot(
        run=RunFacts("ns", RUN, UID, 1, draw(specs(agents)), gone=gone, created_at=draw(PAST), refused_since=draw(maybe(PAST))),
        policy=ResolvedPolicy.of("default", policy) if policy else None,
        policy_refusal="" if policy else "RunPolicy default cannot be read",
        state=draw(maybe(states(agents))),
        state_refusal=draw(st.sampled_from([""] * 9 + ["erased"])),
        pods=tuple(found),
        claims=tuple(draw(st.lists(st.builds(ClaimFacts, st.sampled_from(agents), st.sampled_from([UID, "other"])), max_size=1))),
        refusals=tuple(draw(st.lists(refusals(agents, found), max_size=2))),
        pod_events=tuple(PodEvents(pod.uid, unread="forbidden") for pod in found if draw(st.booleans())),
        escalations=tuple(draw(st.lists(escalations(agents), max_size=3, unique_by=lambda e: e.name))),
        reports=tuple(draw(reports(agent)) for agent in draw(st.sets(st.sampled_from(agents)))),
        mode=draw(st.sampled_from(LLMMode)),
        namespace_terminating=draw(st.sampled_from([False] * 9 + [True])),
        queued=draw(st.sampled_from([False] * 5 + [True])),
        halt=draw(st.sampled_from([None] * 5 + [HaltFacts("alice", "an outage")])),
        turn_at=draw(maybe(PAST)),
    )
