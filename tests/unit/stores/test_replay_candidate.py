"""A replay with a candidate follows each history to the first decision that the candidate makes otherwise, and no further."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.base import JsonObject, parse
from controller.api.policy import RunPolicySpec
from controller.ledger.entry import ACTED
from controller.ledger.reading import DamagedRow, Row
from controller.ledger.replay.candidate import Candidate, Judged, Parting, Standing
from controller.ledger.replay.comparison import Comparison
from controller.ledger.replay.comparison_document import UNWATCHED, comparison_document, comparison_lines
from controller.ledger.replay.reproduce import Result
from controller.ledger.replay.summary import Scope
from tests.unit.plan.stories import document_of
from tests.unit.stores.scripted_run import INTERVAL_SECONDS, NEVER, Life, Play
from tests.unit.stores.test_replay import row_for, story

CRASHES = (Life(100, 1), Life(100, 1), Life(50))
"""An agent that crashes twice and completes."""
FAIL, COMPLETE = {"onBudgetSpent": "Fail"}, {"exitCodes": [1], "action": "Complete"}


def quiet(seconds: int) -> JsonObject:
    """Return a policy that restarts an agent after so many seconds of silence."""
    return {"health": {"activityStalledSeconds": seconds}}


def judged(rows: Iterable[Row | DamagedRow], policy: JsonObject) -> list[Judged]:
    """Judge rows by a candidate."""
    return list(map(Candidate(parse(RunPolicySpec, policy)), rows))


def first_parting(found: Sequence[Judged]) -> Parting | None:
    """Return the first parting with all that later rows add to it."""
    comparison = Comparison()
    comparison.add(found)
    return next((run.parting for run in comparison.runs.values() if run.parting), None)


def parted_at(found: Sequence[Judged]) -> tuple[int, list[str]] | None:
    """Return the row where a history and the candidate part, and the effects; None if they never do."""
    parting = first_parting(found)
    return (parting.id, sorted(f"{e.kind} {e.change}" for e in parting.effects)) if parting else None


@pytest.mark.parametrize(
    ("recorded", "candidate", "lives", "expected"),
    [
        pytest.param({}, {}, CRASHES, None, id="the same policy"),
        pytest.param(
            {}, {"restartCooldownSeconds": 600}, CRASHES, (3, ["restart later"]), id="a longer cooldown delays the second"
        ),
        pytest.param({"restartCooldownSeconds": 600}, {}, CRASHES, (3, ["restart sooner"]), id="a shorter cooldown"),
        pytest.param({}, {"restartBudget": 1}, CRASHES, (3, ["escalation added", "restart avoided"]), id="a budget of one asks"),
        pytest.param({}, {"restartBudget": 1} | FAIL, CRASHES, (3, ["restart avoided", "stop added"]), id="a budget of one fails"),
        pytest.param({"restartBudget": 1}, {}, CRASHES, (3, ["escalation avoided", "restart added"]), id="a budget of three"),
        pytest.param({"restartBudget": 1} | FAIL, {}, CRASHES, (3, ["restart added", "stop avoided"]), id="a budget that fails"),
        pytest.param({}, {"restartBudget": 0}, CRASHES, (2, ["escalation added", "restart avoided"]), id="no budget"),
        pytest.param(
            {}, {"outcomes": [COMPLETE]}, CRASHES, (2, ["completion sooner", "restart avoided"]), id="an exit code that completes"
        ),
        pytest.param(
            quiet(300), quiet(1800), [Life(9000, 0, (100, NEVER))], (2, ["restart later"]), id="more patience with silence"
        ),
        pytest.param(quiet(300), quiet(0), [Life(9000, 0, (100, 1500))], (2, ["restart avoided"]), id="endless patience"),
        pytest.param(quiet(1800), quiet(300), [Life(9000, 0, (100, 1500))], None, id="silence that nothing recorded"),
        pytest.param(
            {"blockedTimeoutSeconds": 7200} | {"restartBudget": 0},
            {"blockedTimeoutSeconds": 90000, "restartBudget": 0},
            CRASHES,
            (3, ["stop later"]),
            id="a longer wait for people",
        ),
    ],
)
def test_the_first_other_decision_is_found(
    recorded: JsonObject, candidate: JsonObject, lives: Sequence[Life], expected: tuple[int, list[str]] | None
) -> None:
    """Small histories with a known answer: the row where they part, and what the candidate does otherwise."""
    assert parted_at(judged(Play(recorded, lives).rows(), candidate)) == expected


@pytest.mark.parametrize(
    ("recorded", "candidate", "lives", "effects"),
    [
        pytest.param(quiet(1800), quiet(300), [Life(9000, 0, (100, 1500))], ["restart added"], id="a silence that ended"),
        pytest.param(quiet(1800), quiet(300), [Life(9000, 0, (100, NEVER))], ["restart sooner"], id="a silence without an end"),
        pytest.param(quiet(1800), quiet(2400), [Life(3000, 0, (100, 1500))], None, id="no silence is as long"),
        pytest.param(quiet(1800), quiet(3000), [Life(9000, 0, (100, NEVER))], ["restart later"], id="more patience"),
        pytest.param(quiet(0), quiet(600), [Life(9000, 0, (5000, 5900))], ["restart added"], id="a silence after long work"),
        pytest.param(
            {"restartCooldownSeconds": 600}, {"restartCooldownSeconds": 200}, CRASHES, ["restart sooner"], id="a cooldown"
        ),
        pytest.param(
            quiet(0) | {"staleRunAgeSeconds": 7200}, quiet(0), [Life(9000, 0, (60, 5000))], ["stop added"], id="a stale Run"
        ),
    ],
)
def test_all_situations_show_what_happens_between_the_acts(
    recorded: JsonObject, candidate: JsonObject, lives: Sequence[Life], effects: list[str] | None
) -> None:
    """With every distinct situation in the ledger, a candidate that acts while the operator only watched is found at its time.

    Played for real, the candidate acts with the next report at the latest.
    """
    rows = Play(recorded, lives, watched=True).rows()
    found = first_parting(judged(rows, candidate))
    assert (sorted(f"{e.kind} {e.change}" for e in found.effects) if found else None) == effects
    truth = _first_difference(rows, Play(candidate, lives, watched=True).rows())
    assert bool(found) == bool(truth)
    if found and truth:
        assert timedelta(0) <= truth - datetime.fromisoformat(found.at) <= timedelta(seconds=INTERVAL_SECONDS)


def test_a_refund_that_the_candidate_does_not_give_is_carried() -> None:
    """The recorded policy refunds charges after 60 s of health. A candidate that refunds after a day counts them all."""
    crashes = [Life(100, 1)] * 3 + [Life(50)]
    rows = Play({"restartBudget": 1, "restartBudgetResetSeconds": 60, "restartCooldownSeconds": 0}, crashes).rows()
    kept = {"restartBudget": 1, "restartCooldownSeconds": 0}
    assert parted_at(judged(rows, kept | {"restartBudgetResetSeconds": 60})) is None
    assert parted_at(judged(rows, kept | {"restartBudgetResetSeconds": 86400})) == (3, ["escalation added", "restart avoided"])


def test_a_question_to_the_advisor_delays_a_decision() -> None:
    """The recorded policy did not ask the advisor. A candidate that does has not decided yet."""
    document = document_of(story("budget-of-one-restarts-one-of-two")) | {"advisor": True, "mode": "Off"}
    document["policy"]["spec"]["llm"] = {"mode": "Off"}
    rows, policy = [row_for(document)], document["policy"]["spec"]
    assert parted_at(judged(rows, policy)) is None
    assisted = policy | {"llm": {"mode": "Assist"}}
    assert parted_at(judged(rows, assisted)) == (1, ["restart later"])
    assert "later (after the advisor's answer)" in "".join(comparison_lines(*compared(rows, assisted)))


def test_what_follows_a_parting_is_not_judged() -> None:
    """The rows after it depend on what the agent would have done, which nobody knows."""
    rows = Play({}, CRASHES).rows()
    found = judged(rows, {"restartBudget": 0})
    assert [each.standing for each in found] == [Standing.AGREES, Standing.PARTS, Standing.AFTER, Standing.AFTER]


def test_a_history_is_not_judged_past_a_row_that_cannot_be() -> None:
    """Nobody knows whether the candidate would have agreed there."""
    first, second, *rest = Play({}, CRASHES).rows()
    found = judged([first, replace(second, snapshot="{"), *rest], {"restartBudget": 1})
    assert [each.standing for each in found] == [Standing.AGREES, Standing.UNJUDGED, Standing.AFTER, Standing.AFTER]
    assert found[1].finding
    assert found[1].finding.result is Result.DAMAGED


def test_a_pass_that_ended_early_is_followed_as_far_as_it_went() -> None:
    """An error ended the pass after the record of the outcome: the restart that this plan would have had next was not made."""
    first, second, *_ = Play({}, CRASHES).rows()
    acted = json.loads(second.outcome)["acted"]
    short = replace(second, outcome=json.dumps({"acted": acted[:1], "error": "conflict"}))
    found = judged([first, short], {"restartBudget": 0})
    assert [each.standing for each in found] == [Standing.AGREES, Standing.AGREES]


def test_a_parting_between_two_rows_is_shown_as_one() -> None:
    """It names the row before, its own time, and when the record has the same decision; the last line says what was judged."""
    rows = Play(quiet(1800), [Life(9000, 0, (100, NEVER))], watched=True).rows()
    lines = list(comparison_lines(*compared(rows, quiet(300))))
    at = lines.index("after row 2, 2026-01-01T00:06:55Z, team/fix: restart of coder sooner (recorded 2026-01-01T00:32:01Z)")
    assert lines[at + 2] == "  candidate: supervised: reserve coder: ActivityStalled, budget"
    assert lines[-1].startswith("Not judged: what follows a parting. Between two rows,")


def test_runs_do_not_mix() -> None:
    """Two Runs whose rows alternate are two histories, also if they have one name: the UID tells them apart."""
    one = Play({}, CRASHES).rows()
    two = [replace(row, uid="other", id=row.id + 100) for row in Play({"restartBudget": 0}, CRASHES).rows()]
    mixed = [row for pair in zip(one, two, strict=False) for row in pair]
    comparison = Comparison()
    comparison.add(judged(mixed, {"restartBudget": 0}))
    assert [bool(run.parting) for run in comparison.runs.values()] == [True, False]


LIVES = st.lists(
    st.builds(
        Life,
        works=st.sampled_from([5.0, 100.0, 2400.0]),
        code=st.sampled_from([0, 1, 137, 75]),
        silent=st.sampled_from([(NEVER, NEVER), (50.0, 900.0), (10.0, NEVER)]),
    ),
    min_size=1,
    max_size=5,
)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "restartBudget": st.integers(0, 3),
        "restartCooldownSeconds": st.sampled_from([0, 60, 600]),
        "restartBudgetResetSeconds": st.sampled_from([0, 60, 21600]),
        "unhealthyConfirmations": st.integers(1, 3),
        "staleRunAgeSeconds": st.sampled_from([1800, 3600]),
        "onBudgetSpent": st.sampled_from(["Escalate", "Fail"]),
        "blockedTimeoutSeconds": st.sampled_from([600, 86400]),
        "requireResult": st.booleans(),
        "health": st.sampled_from([{}, {"activityStalledSeconds": 300}, {"silentAgents": "Escalate"}]),
        "outcomes": st.sampled_from([[], [COMPLETE], [{"exitCodes": [75], "action": "RetryFree"}]]),
    },
)
ANSWERS = st.sampled_from([NEVER, 30.0, 5000.0])


@settings(max_examples=25, deadline=None)
@given(POLICIES, LIVES, ANSWERS)
def test_the_recorded_policy_never_parts(policy: JsonObject, lives: list[Life], answer_after: float) -> None:
    """A candidate with the recorded values agrees in every row, whatever happens."""
    found = judged(Play(policy, lives, answer_after).rows(), policy)
    assert {each.standing for each in found} == {Standing.AGREES}


@settings(max_examples=10, deadline=None)
@given(POLICIES, LIVES, ANSWERS)
def test_the_recorded_policy_never_parts_between_two_rows(policy: JsonObject, lives: list[Life], answer_after: float) -> None:
    """The same with every distinct situation in the ledger."""
    found = judged(Play(policy, lives, answer_after, watched=True).rows(), policy)
    assert {each.standing for each in found} == {Standing.AGREES}


@settings(max_examples=25, deadline=None)
@given(POLICIES, POLICIES, LIVES, ANSWERS)
def test_a_parting_is_one(policy: JsonObject, candidate: JsonObject, lives: list[Life], answer_after: float) -> None:
    """Played for real under the candidate, the Run is another one from the row of the parting on, or earlier."""
    rows, truth = Play(policy, lives, answer_after).rows(), Play(candidate, lives, answer_after).rows()
    found = parted_at(judged(rows, candidate))
    if found:
        upto = found[0]
        assert [_story(row) for row in rows[:upto]] != [_story(row) for row in truth[:upto]]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(POLICIES, POLICIES, LIVES, ANSWERS)
def test_with_all_situations_a_parting_is_found_when_there_is_one(
    policy: JsonObject, candidate: JsonObject, lives: list[Life], answer_after: float
) -> None:
    """Played for real under the candidate, the Run acts otherwise for the first time with the next report after the parting.

    Only a difference within the time between two reports may remain unseen.
    """
    rows, truth = (Play(each, lives, answer_after, watched=True).rows() for each in (policy, candidate))
    found = first_parting(judged(rows, candidate))
    if found:
        difference = _first_difference(rows, truth)
        assert difference
        assert abs(difference - datetime.fromisoformat(found.at)) <= REPORT
    else:
        assert _first_difference(rows, truth, same=REPORT) is None


REPORT = timedelta(seconds=INTERVAL_SECONDS)


def _first_difference(rows: Sequence[Row], truth: Sequence[Row], same: timedelta = timedelta()) -> datetime | None:
    """Return when two plays act otherwise for the first time; acts of the same kind may be `same` apart."""
    ours, theirs = ([_story(row) for row in each if row.kind == ACTED] for each in (rows, truth))
    for one, other in zip_longest(ours, theirs):
        if one is None or other is None or one[1:] != other[1:] or abs(one[0] - other[0]) > same:
            moments: list[datetime] = [story[0] for story in (one, other) if story]
            return min(moments)
        if one[0] != other[0]:
            return None  # From here on they are shifted.
    return None


def _story(row: Row) -> tuple[Any, ...]:
    """Return when a pass acted and how."""
    return row.at, row.phase, row.reason, [(a["step"], a["reason"], a.get("charge")) for a in json.loads(row.outcome)["acted"]]


def compared(rows: list[Row], policy: JsonObject) -> tuple[Scope, Comparison]:
    """Return the sums of a replay with a candidate."""
    scope, comparison = Scope(), Comparison()
    for row in rows:
        scope.add(row)
    comparison.add(judged(rows, policy))
    return scope, comparison


def test_the_sums_say_how_much_was_judged() -> None:
    """The share of decisions, the Runs, and the effects by kind."""
    rows = [*Play({}, CRASHES).rows(), *(replace(row, id=row.id + 10) for row in Play({}, [Life(50)], run="other").rows())]
    document = comparison_document(*compared(rows, {"restartBudget": 0}))
    assert (document["decisions"], document["judged"], document["runs"]) == (6, 4, 2)
    assert (document["runsTheSame"], document["runsParted"], document["runsNotJudged"]) == (1, 1, 0)
    assert document["effects"]["restart"] == {"avoided": 1, "added": 0, "later": 0, "sooner": 0}
    (parting,) = document["partings"]
    assert (parting["run"], parting["id"], parting["rows"], parting["judged"]) == ("fix", 2, 4, 2)
    assert list(parting["recorded"]["actions"]) == ["reserve coder: NonZeroExit, budget"]
    assert list(parting["candidate"]["actions"]) == ["create-escalation coder: RestartBudgetSpent"]


def test_people_see_both_decisions_and_what_is_not_judged() -> None:
    """Each parting has three lines; the last line says what the replay cannot know."""
    rows = Play({}, CRASHES).rows()
    rows[-1] = replace(rows[-1], uid="broken", snapshot="{")
    assert list(comparison_lines(*compared(rows, {"restartCooldownSeconds": 600}))) == [
        "4 decisions of 2 Runs, 2026-01-01T00:00:00Z to 2026-01-01T00:04:10Z",
        "judged: 3 decisions (75%), up to the first point where a history and the candidate part",
        "0 Runs the same, 1 Run parted, 1 Run not judged to the end",
        "",
        "                AVOIDED    ADDED    LATER   SOONER",
        "restarts              0        0        1        0",
        "",
        "row 3, 2026-01-01T00:03:20Z, team/fix: restart of coder later (if nothing changes, 2026-01-01T00:12:21Z)",
        "  recorded:  supervised: reserve coder: NonZeroExit, budget",
        "  candidate: supervised: waits: RestartCooldown, looks again 2026-01-01T00:12:21Z",
        "",
        "ROW   TIME                   RUN        NOT JUDGED FROM HERE",
        "4     2026-01-01T00:04:10Z   team/fix   damaged: snapshot: JSONDecodeError: Expecting property name enclosed in double "
        "quotes: line 1 column 2 (char 1)",
        "",
        UNWATCHED,
    ]
