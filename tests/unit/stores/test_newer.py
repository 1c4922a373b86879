"""A record from a newer version: fields that may be ignored are preserved, others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.base import JsonObject, KeptModel, dump, parse
from controller.api.operator_state import SCHEMA_VERSION, OperatorState
from controller.store import Loaded
from controller.store.annotation_store import _close, _open
from controller.store.state_record import COUNTS, decode, encode, full_status, judge
from tests.unit.stores.conftest import run_object
from tests.unit.stores.test_state_record import states

EXAMPLES = 40
"""Each example builds a whole record, which is slow."""

UNKNOWN = st.dictionaries(
    st.from_regex(r"\Anew[A-Z][a-z]{0,8}\Z"),
    st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2),
    min_size=1,
    max_size=2,
)
"""Fields that no version has yet. None is null, which the API server treats as absent."""


def parts(model: Any, raw: Any) -> Iterator[JsonObject]:
    """Return the object of each part of a record that preserves unknown fields."""
    if isinstance(model, KeptModel):
        yield raw
        fields = type(model).model_fields
        inner = [(getattr(model, name), raw.get(field.alias or name)) for name, field in fields.items()]
    elif isinstance(model, dict):
        inner = [(model[name], raw[name]) for name in model]
    else:
        inner = list(zip(model, raw or (), strict=True)) if isinstance(model, tuple) else []  # empty parts are not written
    for child, its_raw in inner:
        yield from parts(child, its_raw)


@st.composite
def newer(draw: st.DrawFn) -> tuple[OperatorState, JsonObject]:
    """Return a state, and its record as from a newer version: with additional fields in some of its parts."""
    state = draw(states)
    raw = dump(state)
    for part in parts(state, raw):
        part.update(draw(UNKNOWN) if draw(st.booleans()) else {})
    return state, raw


def without_new(value: Any) -> Any:
    """Return a record without the fields of the newer version."""
    if isinstance(value, dict):
        return {key: without_new(inner) for key, inner in value.items() if not key.startswith("new")}
    return [without_new(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=EXAMPLES)
@given(newer())
def test_unknown_fields_come_back(made: tuple[OperatorState, JsonObject]) -> None:
    """Unknown fields survive reading and writing in each form, and do not change the known ones, such as the budgets."""
    state, raw = made
    loaded = judge(run_object(uid=state.run_uid), raw, "it")
    assert loaded.state
    assert loaded.refusal == ""
    assert parse(OperatorState, without_new(dump(loaded.state))) == state
    for written in (dump(loaded.state), decode(encode(loaded.state), "it"), _open(_close(1, loaded.state))[1]):
        assert written == raw


@settings(max_examples=EXAMPLES)
@given(newer(), st.integers(SCHEMA_VERSION + 1, 1_000_000))
def test_a_form_that_must_be_understood_is_refused_and_kept(made: tuple[OperatorState, JsonObject], form: int) -> None:
    """A record that requires a newer reader has no effect, for any content, and the write that reports it leaves it whole."""
    state, raw = made
    raw["schemaVersion"] = form
    run = run_object(uid=state.run_uid, startTime="2026-01-01T00:00:00Z", storeID="status", operatorState=raw)
    loaded = judge(run, raw, "status.operatorState")
    assert loaded.state is None
    assert f"schemaVersion is {form}, written by a newer runwatchman" in loaded.refusal
    assert "upgrade the operator" in loaded.refusal
    assert full_status(run, loaded, {"phase": "Blocked"}, "status", raw=raw)["operatorState"] == raw


@settings(max_examples=EXAMPLES)
@given(newer().filter(lambda made: bool(made[0].agents)), st.sampled_from(COUNTS))
def test_a_count_under_another_name_is_refused(made: tuple[OperatorState, JsonObject], count: str) -> None:
    """A renamed or deleted budget is not read as an unused one."""
    state, raw = made
    agent = next(iter(raw["agents"].values()))
    agent["newName"] = agent.pop(count)
    loaded: Loaded = judge(run_object(uid=state.run_uid), raw, "it")
    assert loaded.state is None
    assert f".{count} is missing" in loaded.refusal
