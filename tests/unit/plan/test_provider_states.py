"""The states of a provider: a limit closes it, one attempt probes it, and the others follow at a rate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.agent_report import LimitKind
from controller.api.operator_state import ResultStatus, Usage
from controller.api.provider import ProbeStatus, ProviderSpec, ProviderState, ProviderStatus
from controller.plan.providers import probing
from controller.plan.providers.probing import ProbingRun
from controller.plan.providers.states import Attempt, Evidence, Seen, Signal, next_status
from controller.plan.providers.turns import Claim, Places, admission, in_turn
from controller.plan.reasons import Reason
from controller.plan.snapshot import LimitFacts, PodFacts, ReportFacts, Termination
from tests.unit.plan.stories import NOW

CREATED = NOW - timedelta(days=1)
SPEC = ProviderSpec()
A, B = Attempt("a", "uid-a", "coder", 0), Attempt("b", "uid-b", "coder", 0)
OPEN = ProviderStatus(state=ProviderState.OPEN)


def after(seconds: float) -> datetime:
    """Return a time after NOW."""
    return NOW + timedelta(seconds=seconds)


def limit(at: float = 0, by: Attempt = A, reset: float | None = None, kind: LimitKind = LimitKind.QUOTA) -> Signal:
    """Return a limit that an attempt has met, with its reset time in seconds after NOW."""
    return Signal(by, kind, after(at), None if reset is None else after(reset), "usage limit reached")


def move(
    status: ProviderStatus, at: float, *signals: Signal, turn: Attempt | None = None, shows: Evidence = Evidence.NOTHING
) -> ProviderStatus:
    """Return the next status at a time after NOW, with an agent that waits if one has its turn."""
    return next_status(SPEC, status, Seen(CREATED, signals, lambda _: shows, turn, waits=turn is not None), after(at))


CLOSED = move(OPEN, 1, limit())
PROBING = move(CLOSED, 60, turn=B)


@pytest.mark.parametrize(
    ("reset", "until"),
    [(None, 60), (3600, 3600), (90_000, 21_600), (5, 5)],
    ids=["no time", "its time", "too far", "soon"],
)
def test_the_first_limit_closes(reset: float | None, until: float) -> None:
    """A provider closes until the time that the agent names, else for a minute; never for longer than the maximum."""
    found = move(OPEN, 2, limit(reset=reset))
    assert (found.state, found.closed_at, found.closed_until) == (ProviderState.CLOSED, NOW, after(until))
    assert (found.reason, found.message, found.closings) == ("Quota", "usage limit reached", 1)
    assert found.closed_by
    assert (found.closed_by.run, found.closed_by.agent, found.closed_by.attempt) == A[:1] + A[2:]


def test_limits_of_agents_at_work_prolong_a_closing_up_to_its_bound() -> None:
    """Twenty agents that meet the same limit close the provider once. A later reset time counts, as far as the bound."""
    late = [limit(2, replace_agent(number)) for number in range(20)]
    assert move(CLOSED, 3, limit(), *late) == CLOSED
    assert move(CLOSED, 3, limit(2, B, reset=600)).closed_until == after(600)
    assert move(CLOSED, 3, limit(2, B, reset=10**9)).closed_until == after(21_600)
    assert move(CLOSED, 3, limit(2, B, reset=600)).closings == 1


def replace_agent(number: int) -> Attempt:
    """Return the attempt of another Run."""
    return A._replace(run=f"r{number}", run_uid=f"uid-{number}")


def test_one_attempt_probes_when_the_time_is_over() -> None:
    """Nothing is chosen before the time or while nothing waits. The probe is that whose turn it is."""
    assert move(CLOSED, 59.9, turn=B) == CLOSED
    assert move(CLOSED, 3600) == CLOSED
    assert (PROBING.state, PROBING.probe) == (
        ProviderState.PROBING,
        ProbeStatus(run="b", run_uid="uid-b", agent="coder", attempt=0, since=after(60)),
    )


def test_a_probe_that_works_opens() -> None:
    """While others wait, the provider reopens at its rate; without any it is open, and closings in a row begin anew."""
    reopening = move(PROBING, 90, turn=A, shows=Evidence.WORKS)
    assert (reopening.state, reopening.opened_at, reopening.probe) == (ProviderState.REOPENING, after(90), None)
    assert (reopening.closings, move(reopening, 95, turn=A)) == (1, reopening)
    opened = move(reopening, 100)
    assert (opened.state, opened.closings, opened.reason, opened.opened_at) == (ProviderState.OPEN, 0, None, after(90))


@pytest.mark.parametrize(("reset", "until"), [(None, 190), (71, 130), (7_200, 7_200)], ids=["doubled", "doubted", "its time"])
def test_a_probe_that_is_limited_closes_for_longer(reset: float | None, until: float) -> None:
    """Each closing in a row lasts twice as long, also if a reset time is named that has proved too early."""
    found = move(PROBING, 75, limit(70, B, reset))
    assert (found.state, found.closings, found.closed_until, found.probe) == (ProviderState.CLOSED, 2, after(until), None)


def test_closings_in_a_row_reach_the_maximum() -> None:
    """However often a provider is limited, it is probed every six hours."""
    status, at = OPEN, 0.0
    for _ in range(40):
        status = move(status, at + 1, limit(at, B), turn=B)
        assert status.closed_until
        at = (status.closed_until - NOW).total_seconds()
        status = move(status, at, turn=B)
        assert status.state is ProviderState.PROBING
        at += 10
    assert status.probe
    assert status.closed_at
    assert status.probe.since - status.closed_at == timedelta(hours=6)


@pytest.mark.parametrize(("shows", "until"), [(Evidence.WITHDRAWN, 80), (Evidence.ENDED, 120)])
def test_a_probe_that_shows_nothing_is_replaced(shows: Evidence, until: float) -> None:
    """A withdrawn probe is replaced at once; one that has ended without a word after the interval. Neither is a closing."""
    found = move(PROBING, 80, shows=shows)
    assert (found.state, found.closed_until, found.closings) == (ProviderState.CLOSED, after(until), 1)
    assert move(found, until, turn=A).probe == ProbeStatus(run="a", run_uid="uid-a", agent="coder", attempt=0, since=after(until))


def test_old_limits_close_nothing() -> None:
    """A limit before the last opening, or before the provider, is over. The reports of one limit differ by two seconds."""
    opened = move(move(PROBING, 90, shows=Evidence.WORKS), 91)
    assert move(opened, 200, limit(92)) == opened
    assert move(opened, 200, limit(94)).state is ProviderState.CLOSED
    assert move(OPEN, 0, limit(-100_000)) == OPEN
    assert move(PROBING, 75, limit(61, A)) == PROBING
    assert move(PROBING, 75, limit(60, B)).closings == 2


def test_the_same_facts_give_the_same_status() -> None:
    """A status that was not written follows again from the one before, in any process."""
    signals = (limit(), limit(4, B, reset=300))
    step = move(OPEN, 5, *signals)
    assert move(OPEN, 6, *signals) == step == move(step, 6, *signals)


SIGNALS = st.builds(
    Signal,
    st.sampled_from([A, B]),
    st.sampled_from(LimitKind),
    st.integers(-10, 100_000).map(after),
    st.none() | st.integers(-(10**9), 10**9).map(after),
    st.just(""),
)


@given(
    st.lists(SIGNALS, max_size=4),
    st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(Evidence), st.booleans()), max_size=12),
)
def test_no_signal_closes_for_longer_than_the_bound(signals: list[Signal], moves: list[tuple[int, Evidence, bool]]) -> None:
    """Whatever agents report, a closing ends within its maximum, and only a provider that is Probing has a probe."""
    status, now = OPEN, 0
    for seconds, shows, waits in moves:
        now += seconds
        known = [signal for signal in signals if signal.at <= after(now)]
        status = move(status, now, *known, turn=B if waits else None, shows=shows)
        assert (status.probe is not None) == (status.state is ProviderState.PROBING)
        if status.state is ProviderState.CLOSED and status.closed_at and status.closed_until:
            assert status.closed_until <= max(status.closed_at + timedelta(hours=6, seconds=1), after(now + 60))


POD = PodFacts("b-coder-r0", "p", "coder", 0, "uid-b", phase="Running", bound=True, started_at=after(61))
REPORT = ReportFacts("coder", "uid-b", 0, "p", 1, after(70), 30, after(70))
ENDED = replace(POD, phase="Failed", termination=Termination(1))
LIMIT = LimitFacts(LimitKind.QUOTA, after(70))
EVIDENCE = [
    ("gone", None, 70, Evidence.WITHDRAWN),
    ("paused", ProbingRun(False), 70, Evidence.WITHDRAWN),
    ("not started", ProbingRun(True), 70, Evidence.NOTHING),
    ("never started", ProbingRun(True), 361, Evidence.ENDED),
    ("gated", ProbingRun(True, (replace(POD, gated=True, started_at=None),)), 70, Evidence.NOTHING),
    ("at work", ProbingRun(True, (POD,)), 70, Evidence.NOTHING),
    ("long at work", ProbingRun(True, (POD,)), 361, Evidence.WORKS),
    ("a turn", ProbingRun(True, (POD,), (replace(REPORT, turns=1),)), 70, Evidence.WORKS),
    ("tokens", ProbingRun(True, (POD,), (replace(REPORT, usage=Usage(output_tokens=1)),)), 70, Evidence.WORKS),
    ("a limit after a turn", ProbingRun(True, (POD,), (replace(REPORT, turns=1, limit=LIMIT),)), 70, Evidence.NOTHING),
    ("another attempt's turn", ProbingRun(True, (POD,), (replace(REPORT, turns=1, attempt=1),)), 70, Evidence.NOTHING),
    ("completed", ProbingRun(True, (replace(POD, phase="Succeeded", termination=Termination(0)),)), 70, Evidence.WORKS),
    ("its result", ProbingRun(True, (ENDED,), (replace(REPORT, result=ResultStatus(outcome="Completed")),)), 70, Evidence.WORKS),
    ("its last word", ProbingRun(True, (replace(ENDED, last_report=replace(REPORT, turns=2)),)), 70, Evidence.WORKS),
    ("ended", ProbingRun(True, (ENDED,)), 70, Evidence.ENDED),
    ("ended by a pause", ProbingRun(False, (ENDED,)), 70, Evidence.WITHDRAWN),
    ("deleted", ProbingRun(True, (replace(POD, deleting=True),)), 70, Evidence.ENDED),
    ("a later attempt", ProbingRun(True, (replace(POD, attempt=1),)), 70, Evidence.ENDED),
    ("a verification", ProbingRun(True, (replace(POD, task="verify"),)), 70, Evidence.NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(("run", "at", "expected"), [case[1:] for case in EVIDENCE], ids=[case[0] for case in EVIDENCE])
def test_what_a_probe_has_shown(run: ProbingRun | None, at: float, expected: Evidence) -> None:
    """A probe proves that the provider works by a turn, its completion or time; every other end has it replaced."""
    assert PROBING.probe
    assert probing.evidence(SPEC, PROBING.probe, run, after(at)) is expected


def test_runs_take_turns() -> None:
    """The Run that was created or served longest ago comes first; each Run's first agent comes before any Run's second."""
    claims = [
        Claim(after(created), position, Attempt(run, f"uid-{run}", f"a{position}", 0))
        for run, created, agents in (("big", 0, 3), ("old", 1, 1), ("new", 2, 2))
        for position in range(agents)
    ]
    assert [(claim.attempt.run, claim.position) for claim in in_turn(reversed(claims))] == [
        *(("big", 0), ("old", 0), ("new", 0)),
        *(("big", 1), ("new", 1)),
        ("big", 2),
    ]


@given(st.dictionaries(st.integers(0, 20), st.integers(1, 6), min_size=1, max_size=8))
def test_no_run_is_served_twice_before_another_that_waits(agents: dict[int, int]) -> None:
    """In the order of starts, a Run's n-th agent follows every n-1-th of the others."""
    claims = [Claim(after(run), n, Attempt(str(run), str(run), f"a{n}", 0)) for run, count in agents.items() for n in range(count)]
    order = in_turn(claims)
    assert sorted(order) == sorted(claims)
    assert all(one.position <= other.position for one, other in pairwise(order))


REOPENING = ProviderStatus(state=ProviderState.REOPENING, reason="Quota", opened_at=NOW)
FULL = ProviderSpec(max_active_agents=2)
REFUSALS = [
    (SPEC, OPEN, Places(), None),
    (SPEC, CLOSED, Places(), (Reason.PROVIDER_CLOSED, after(60))),
    (SPEC, PROBING, Places(), (Reason.PROVIDER_PROBING, None)),
    (SPEC, PROBING, Places(probe=PROBING.probe), None),
    (SPEC, REOPENING, Places(next_start=after(6)), (Reason.PROVIDER_REOPENING, after(6))),
    (SPEC, REOPENING, Places(next_start=NOW, ahead=2), (Reason.PROVIDER_REOPENING, after(12))),
    (SPEC, REOPENING, Places(next_start=NOW), None),
    (FULL, OPEN, Places(taken=2), (Reason.PROVIDER_FULL, None)),
    (FULL, OPEN, Places(taken=1, ahead=1), (Reason.PROVIDER_FULL, None)),
    (FULL, OPEN, Places(taken=1), None),
    (FULL, REOPENING, Places(taken=2, next_start=NOW), (Reason.PROVIDER_FULL, None)),
]


@pytest.mark.parametrize(("spec", "status", "places", "expected"), REFUSALS)
def test_who_may_start(
    spec: ProviderSpec, status: ProviderStatus, places: Places, expected: tuple[Reason, datetime | None] | None
) -> None:
    """Nothing starts while a provider is closed but the recorded probe; otherwise its places, its rate and the order count."""
    found = admission("claude", spec, status, B, places, NOW)
    assert (found.admits, found.reason, found.until) == ((True, None, None) if expected is None else (False, *expected))
    assert ("claude" in found.message) == (not found.admits)
