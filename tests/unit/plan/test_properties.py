"""Properties of every plan, in any situation."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.base import dump
from controller.api.names import named_task
from controller.api.operator_state import AgentState, OutcomeResult
from controller.api.phases import Phase
from controller.api.policy import RunPolicySpec, SilentAgents
from controller.api.tasks import TaskKind
from controller.api.verification import VerificationResult
from controller.plan import Plan, Snapshot, plan
from controller.plan.actions import (
    AdoptPod,
    AdoptTask,
    CreateClaim,
    CreatePod,
    CreateTask,
    DeletePod,
    RemoveFinalizer,
    ReserveAttempt,
    ResumeRun,
    StopRun,
    Terminate,
    Transition,
    Ungate,
)
from controller.plan.context import NO_STATE, PlanContext
from controller.plan.intents import Charge
from controller.plan.reasons import Reason
from controller.plan.snapshot import ReportFacts
from controller.plan.transitions import WAKES, apply
from tests.unit.plan.generated import situations
from tests.unit.plan.stories import CASES, NOW, snapshot_of

SITUATIONS = [snapshot_of(path) for path in CASES]

snapshots = st.sampled_from(SITUATIONS) | situations()
moments = st.integers(0, 10_000_000).map(lambda seconds: NOW + timedelta(seconds=seconds))


def test_every_reason_has_its_sentence() -> None:
    """Every reason has a sentence that documents it."""
    assert all(reason.sentence.endswith(".") and reason.value[0].isupper() for reason in Reason)


def all_digests() -> str:
    return "\n".join(plan(snapshot, NOW).digest for snapshot in SITUATIONS)


def test_same_digest_in_every_process() -> None:
    """Another process with another hash seed computes the same bytes."""
    script = "from tests.unit.plan.test_properties import all_digests; print(all_digests())"
    for seed in ("0", "42"):
        done = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == all_digests()


@given(snapshots, st.randoms())
def test_the_order_of_what_was_observed_does_not_matter(snapshot: Snapshot, chance: random.Random) -> None:
    """Pods and claims come in any order."""
    pods, claims = list(snapshot.pods), list(snapshot.claims)
    chance.shuffle(pods)
    chance.shuffle(claims)
    shuffled = replace(snapshot, pods=tuple(pods), claims=tuple(claims))
    assert plan(shuffled, NOW) == plan(snapshot, NOW)


@given(snapshots, moments)
def test_the_next_check_is_in_the_future(snapshot: Snapshot, now: datetime) -> None:
    """A step that is due now is an action, never a check in the past."""
    decision = plan(snapshot, now)
    if decision.verdict.next_check and not decision.actions:
        assert decision.verdict.next_check > now


@given(snapshots, moments)
def test_every_effect_on_a_pod_names_its_uid(snapshot: Snapshot, now: datetime) -> None:
    """Every start, end, deletion or release of a pod names the UID that was observed."""
    observed = {pod.uid: pod.name for pod in snapshot.pods}
    for action in plan(snapshot, now).actions:
        if isinstance(action, Ungate | Terminate | DeletePod | RemoveFinalizer):
            assert observed[action.pod_uid] == action.pod


@given(situations().filter(lambda snapshot: snapshot.state is not None), moments)
def test_what_a_newer_version_added_decides_nothing_and_stays(snapshot: Snapshot, now: datetime) -> None:
    """Fields that are unknown to this version change no plan; its changes of the state are the same, and preserve them."""
    assert snapshot.state
    agents = {name: agent.model_copy(update={"newA": name}) for name, agent in snapshot.state.agents.items()}
    newer = replace(snapshot, state=snapshot.state.model_copy(update={"newB": 1, "agents": agents}))
    decision = plan(newer, now)
    assert decision == plan(snapshot, now)
    for action in (action for action in decision.actions if isinstance(action, Transition)):
        known, changed = dump(apply(snapshot, action, now)), dump(apply(newer, action, now))
        kept = [changed.pop("newB"), *(changed["agents"][name].pop("newA") for name in agents)]
        assert (changed, kept) == (known, [1, *agents])


@settings(max_examples=300)
@given(snapshots, moments)
def test_transitions_lead_somewhere(snapshot: Snapshot, now: datetime) -> None:
    """Applying the state's changes repeatedly reaches a stable state, and earlier decisions stay."""
    current = snapshot
    for _ in range(12):
        changes = [action for action in plan(current, now).actions if isinstance(action, Transition)]
        if not changes:
            break
        stop = current.state.stop if current.state else None
        for action in changes:
            current = replace(current, state=apply(current, action, now))
        assert current.state
        if stop is not None:
            assert current.state.stop is not None
            assert current.state.stop.phase is stop.phase
    else:
        raise AssertionError("the state never comes to rest")


@given(snapshots, moments)
def test_only_the_attempts_own_pod_is_ever_ungated(snapshot: Snapshot, now: datetime) -> None:
    """The gate is removed only from a pod that the state names, or, while it names none, from the one of the first attempt."""
    at = PlanContext(snapshot, now)
    for action in plan(snapshot, now).actions:
        if isinstance(action, Ungate) and named_task(action.pod):
            task, pod = at.agent_state(action.agent).task, at.task_pod(action.agent)
            assert task
            assert pod
            assert (pod.uid, pod.gated, pod.deleting, task.pod_uid) == (action.pod_uid, True, False, action.pod_uid)
        elif isinstance(action, Ungate):
            state, pod = at.agent_state(action.agent), at.named_pod(action.agent)
            assert state.outcome is None
            assert pod
            assert (pod.uid, pod.gated, pod.deleting, at.ours(pod)) == (action.pod_uid, True, False, True)
            assert state.pod_uid == action.pod_uid or (state.pod_uid, state.attempt) == ("", 0)


@given(snapshots, moments)
def test_nothing_starts_under_a_decided_end(snapshot: Snapshot, now: datetime) -> None:
    """After a decision to stop, no attempt is created, adopted or started."""
    if snapshot.state and snapshot.state.stop:
        starts = CreatePod | CreateClaim | AdoptPod | Ungate | ResumeRun | CreateTask | AdoptTask
        assert not any(isinstance(action, starts) for action in plan(snapshot, now).actions)


@given(snapshots, moments, st.floats(0, 1, exclude_max=True))
def test_noop_is_stable_until_the_next_check(snapshot: Snapshot, now: datetime, part: float) -> None:
    """If no action is due, none becomes due before the next check; without a next check none ever does. No timeout is missed."""
    decision = plan(snapshot, now)
    if decision.actions:
        return
    check = decision.verdict.next_check or now + timedelta(days=400)
    moment = min(now + (check - now) * part, check - timedelta.resolution)  # a part close to 1 is rounded to the check
    later = plan(snapshot, moment)
    assert (later.actions, later.digest) == ((), decision.digest)


@given(snapshots, moments)
def test_no_restart_without_evidence(snapshot: Snapshot, now: datetime) -> None:
    """An attempt is reserved only if one has ended, is live and unready, or a human asked for it."""
    for action in plan(snapshot, now).actions:
        if isinstance(action, ReserveAttempt):
            assert snapshot.state
            agent = snapshot.state.agents[action.agent]
            unready = any(pod.uid == agent.pod_uid and pod.unready_since for pod in snapshot.pods)
            asked = action.reason in (Reason.RESTART_REQUESTED, Reason.RETRY_ORDERED, *WAKES)
            ended = agent.outcome is not None and agent.outcome.result is not OutcomeResult.COMPLETED
            assert (action.charge is Charge.UNCHARGED) == asked
            assert asked or ended or unready or idle(snapshot, agent)


@given(snapshots, moments)
def test_repeated_failures_never_cost_a_restart_more(snapshot: Snapshot, now: datetime) -> None:
    """Each charged restart of a policy with repeatedFailures is one of the same policy without."""
    if snapshot.policy is None or snapshot.policy.spec.repeated_failures is None:
        return
    spec = snapshot.policy.spec.model_copy(update={"repeated_failures": None})
    without = plan(replace(snapshot, policy=replace(snapshot.policy, spec=spec)), now)
    assert set(map(str, charged(plan(snapshot, now)))) <= set(map(str, charged(without)))


def charged(decision: Plan) -> list[ReserveAttempt]:
    return [action for action in decision.actions if isinstance(action, ReserveAttempt) and action.charge is Charge.BUDGET]


def idle(snapshot: Snapshot, agent: AgentState) -> bool:
    """Whether the agent's own pod has reported its idleness itself."""
    threshold = timedelta(seconds=snapshot.policy.spec.health.activity_stalled_seconds) if snapshot.policy else timedelta.max
    told = (report for report in snapshot.reports if report.pod_uid == agent.pod_uid and report.attempt == agent.attempt)
    return any(report.reported_at - report.active_at >= threshold for report in told)


@given(snapshots, moments)
def test_nothing_is_ended_without_a_decision(snapshot: Snapshot, now: datetime) -> None:
    """A live pod is ended only under a saved stop or pause, because a later attempt is reserved, because its agent has ended, or
    because its task is over, late or not due any more.
    """
    for action in plan(snapshot, now).actions:
        if isinstance(action, Terminate):
            state = snapshot.state
            assert state is not None
            agent = state.agents.get(action.agent, NO_STATE)  # A Run may be stopped before the start of its pod is on record.
            recorded = agent.outcome is not None and (agent.attempt, agent.pod_uid) == (action.attempt, action.pod_uid)
            late = action.reason in (Reason.TASK_TIMED_OUT, Reason.TASK_ENDED, Reason.TASK_NOT_DUE)
            of_task = late and agent.task is not None and agent.task.pod_uid == action.pod_uid
            assert state.stop or state.paused_at or action.attempt < agent.attempt or recorded or of_task


@given(snapshots, moments)
def test_a_run_completes_only_with_its_work_verified_and_published(snapshot: Snapshot, now: datetime) -> None:
    """Each required agent with `verify` has passed for the very attempt whose end is on record."""
    for action in plan(snapshot, now).actions:
        if isinstance(action, StopRun) and action.phase is Phase.COMPLETED:
            for agent in PlanContext(snapshot, now).required:
                state = PlanContext(snapshot, now).agent_state(agent.name)
                assert state.outcome
                found, attempt = state.verification, state.outcome.attempt
                assert not agent.verify or (found and (found.result, found.attempt) == (VerificationResult.PASSED, attempt))
                assert not agent.publish or (state.published and state.published.attempt == state.outcome.attempt)


@given(snapshots, moments)
def test_nothing_unverified_is_published(snapshot: Snapshot, now: datetime) -> None:
    """No pod of a publication is created or adopted before the verification of that attempt has passed."""
    for action in plan(snapshot, now).actions:
        if isinstance(action, CreateTask | AdoptTask) and action.kind is TaskKind.PUBLISH:
            at = PlanContext(snapshot, now)
            agent = next(agent for agent in at.agents if agent.name == action.agent)
            found = at.agent_state(agent.name).verification
            assert not agent.verify or (found and (found.result, found.attempt) == (VerificationResult.PASSED, action.attempt))


@given(snapshots, st.timedeltas(timedelta(days=-300), timedelta(days=300)))
def test_no_jump_of_a_clock_makes_a_stall(snapshot: Snapshot, jump: timedelta) -> None:
    """For any value of the clock, an agent that is judged stalled has a report whose ages prove it."""
    found = plan(snapshot, NOW + jump)
    policy = snapshot.policy.spec if snapshot.policy else RunPolicySpec()
    limits = {
        Reason.ACTIVITY_STALLED: policy.health.activity_stalled_seconds,
        Reason.PROGRESS_STALLED: policy.health.progress_stalled_seconds,
        Reason.STALE: policy.stale_run_age_seconds,
    }
    judged = [(a.reason, a.agent) for a in found.actions if isinstance(a, ReserveAttempt | StopRun) and a.reason in limits]
    judged += [(b.reason, b.agent) for b in found.verdict.blocks if b.reason in limits]
    for reason, agent in judged if policy.health.silent_agents is SilentAgents.IGNORE else ():
        told = [r for r in snapshot.reports if agent in ("", r.agent)]
        assert any(_oldest(r) >= timedelta(seconds=limits[reason]) for r in told)


def _oldest(report: ReportFacts) -> timedelta:
    return report.reported_at - min(report.active_at, report.progress_at or report.active_at)
