"""The reader alone guards the record: the CRD accepts any object, so everything that a schema would refuse is refused here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.base import MAX_COUNT, MAX_EXACT, MAX_TEXT, MAX_WORD, JsonObject, dump
from controller.api.operator_state import MAX_ADVICE, MAX_ASKED, OperatorState
from controller.api.run import MAX_AGENTS
from controller.store.state_record import decode, judge
from tests.stores import state_of
from tests.unit.stores.conftest import run_object
from tests.unit.stores.test_state_record import states

Change = Callable[[JsonObject], Any]

WHERE = "status.operatorState"
DEEP, TOO_DEEP = 100, 250
"""Levels of nesting; the decoder of objects lets both pass."""

COUNTS = {"attempt": 0, "restarts": 0, "freeRestarts": 0}
AT = "2026-01-01T12:00:00Z"
ADVICE = {"situation": "a", "verdict": "Accepted", "reason": "Accepted", "at": AT}
OUTCOME = {"attempt": 0, "result": "Completed", "reason": "ResultReported"}


def top(**fields: Any) -> Change:
    """Return a change of the record's own fields."""
    return lambda raw: {**raw, **fields}


def coder(**fields: Any) -> Change:
    """Return a change of the fields of the agent's record."""
    return lambda raw: {**raw, "agents": {"coder": {**raw["agents"]["coder"], **fields}}}


def nested(levels: int) -> JsonObject:
    """Return an object of so many levels."""
    found: JsonObject = {}
    for _ in range(levels):
        found = {"a": found}
    return found


HOSTILE: dict[str, tuple[Change, str]] = {
    "a list": (lambda _: [1, 2], "is not a JSON object"),
    "a text": (lambda _: "record", "is not a JSON object"),
    "nothing in it": (lambda _: {}, ".runUID cannot be read"),
    "a list of agents": (top(agents=[COUNTS]), ".agents cannot be read"),
    "an agent that is a text": (top(agents={"coder": "busy"}), ".agents.coder cannot be read"),
    "an agent of no valid name": (top(agents={"../coder": COUNTS}), ".agents.../coder.[key] cannot be read"),
    "too many agents": (top(agents={f"a{n}": COUNTS for n in range(MAX_AGENTS + 1)}), ".agents cannot be read"),
    "a text for a number": (coder(attempt="1"), ".agents.coder.attempt cannot be read"),
    "a boolean for a number": (coder(restarts=True), ".agents.coder.restarts cannot be read"),
    "a fraction": (coder(restarts=0.5), ".agents.coder.restarts cannot be read"),
    "a negative count": (coder(freeRestarts=-1), ".agents.coder.freeRestarts cannot be read"),
    "a huge count": (coder(restarts=MAX_COUNT + 1), ".agents.coder.restarts cannot be read"),
    "a number beyond 64 bits": (coder(restarts=10**400), ".agents.coder.restarts cannot be read"),
    "not a number": (coder(restarts=float("nan")), "cannot be read"),
    "infinity": (top(pausedSeconds=float("inf")), "cannot be read"),
    "infinity in an unknown field": (top(newField=[float("-inf")]), "cannot be read"),
    "null for a count": (coder(attempt=None), ".agents.coder.attempt cannot be read"),
    "a number for a text": (coder(podUID=7), ".agents.coder.podUID cannot be read"),
    "a long word": (coder(podUID="x" * (MAX_WORD + 1)), ".agents.coder.podUID cannot be read"),
    "a long text": (coder(outcome={**OUTCOME, "message": "x" * (MAX_TEXT + 1)}), ".agents.coder.outcome.message cannot be read"),
    "an exit code of no process": (coder(outcome={**OUTCOME, "exitCode": 2**31}), ".agents.coder.outcome.exitCode cannot be read"),
    "a result that nobody knows": (coder(outcome={**OUTCOME, "result": "Won"}), ".agents.coder.outcome.result cannot be read"),
    "half of a surrogate": (coder(lastOutcome="\ud800"), "cannot be read"),
    "too many questions": (coder(asked=["q"] * (MAX_ASKED + 1)), ".agents.coder.asked cannot be read"),
    "too much advice": (coder(advice=[ADVICE] * (MAX_ADVICE + 1)), ".agents.coder.advice cannot be read"),
    "a question of no valid name": (coder(asked=["Q 1"]), ".agents.coder.asked.0 cannot be read"),
    "a time without a zone": (top(startedAt="2026-01-01T12:00:00"), ".startedAt cannot be read"),
    "a number for a time": (top(updatedAt=1767268800), ".updatedAt cannot be read"),
    "a stop in no known phase": (top(stop={"phase": "Done", "reason": "x", "at": AT}), ".stop.phase cannot be read"),
    "half a stop": (top(stop={"phase": "Failed"}), ".stop.reason cannot be read"),
    "tokens beyond a double": (coder(usage={"inputTokens": MAX_EXACT + 1}), ".agents.coder.usage.inputTokens cannot be read"),
    "an unknown field of a closed part": (coder(usage={"tokens": 1}), ".agents.coder.usage.tokens cannot be read"),
    "an object for a text": (coder(lastOutcome=nested(DEEP)), ".agents.coder.lastOutcome cannot be read"),
    "too deep": (top(newField=nested(TOO_DEEP)), "cannot be read: Invalid JSON: recursion limit exceeded"),
    "a form of no number": (top(schemaVersion="2"), ".schemaVersion cannot be read"),
    "the form zero": (top(schemaVersion=0), ".schemaVersion cannot be read"),
    "a huge form": (top(schemaVersion=10**400), "written by a newer runwatchman"),
    "no count": (top(agents={"coder": {"attempt": 0, "restarts": 0}}), ".agents.coder.freeRestarts is missing"),
}
"""Name -> change of a good record, and a part of the refusal."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_record_is_refused(name: str) -> None:
    """Each wrong type, size or value is refused with its field: the Run is Blocked, and its budgets are not read as unused."""
    change, says = HOSTILE[name]
    run = run_object()
    loaded = judge(run, change(dump(state_of(run))), WHERE)
    assert loaded.state is None
    assert loaded.refusal.startswith(WHERE)
    assert says in loaded.refusal


def test_a_record_with_deep_unknown_fields_is_read() -> None:
    """Unknown fields of a newer version may have any form; they do not change the known ones."""
    run = run_object()
    good = dump(state_of(run))
    loaded = judge(run, {**good, "newField": nested(DEEP)}, WHERE)
    assert loaded.state
    assert dump(loaded.state) == {**good, "newField": nested(DEEP)}


@pytest.mark.parametrize("text", ["NaN", "1e999", "9" * 5000])
def test_numbers_that_json_does_not_have_are_refused_in_texts(text: str) -> None:
    """Python's parser reads NaN and infinity, and refuses thousands of digits: a record in a row or annotation has neither."""
    run = run_object()
    written = json.dumps(dump(state_of(run))).replace('"schemaVersion": 1', f'"schemaVersion": 1, "pausedSeconds": {text}')
    raw = decode(written, WHERE)
    assert (raw if isinstance(raw, str) else judge(run, raw, WHERE).refusal).startswith(WHERE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def damaged(draw: st.DrawFn) -> JsonObject:
    """Return a record in which one value, at any place, is any other."""
    raw: JsonObject = json.loads(json.dumps(dump(draw(states))))
    part = raw
    while True:
        key = draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or not part[key] or draw(st.booleans()):
            part[key] = draw(JSON)
            return raw
        part = part[key]


@settings(max_examples=200)
@given(damaged())
def test_no_value_raises(raw: JsonObject) -> None:
    """A record is read or refused, never an exception: that would end every pass of the Run before its status can show why."""
    run = run_object(uid=str(raw.get("runUID")))
    loaded = judge(run, raw, WHERE)
    if loaded.state:
        assert judge(run, dump(loaded.state), WHERE) == loaded
        assert isinstance(loaded.state, OperatorState)
