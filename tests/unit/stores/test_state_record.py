"""Any state survives every form in which a store keeps it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.base import ApiModel, dump, parse
from controller.api.escalation import Decision
from controller.api.names import ANNOTATION_STATE
from controller.api.operator_state import (
    SCHEMA_VERSION,
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
from controller.api.publishing import PublishedStatus
from controller.api.source import SourceStatus
from controller.api.tasks import TaskKind, TaskState
from controller.api.verification import VerificationResult, VerificationState
from controller.store import KnownRun, Loaded
from controller.store.annotation_store import AnnotationStore, _close, _open
from controller.store.sql.sql_store import SqlStore
from controller.store.state_record import decode, encode, full_status, judge
from tests.stores import state_of, status_of
from tests.unit.stores.conftest import run_object

M = TypeVar("M", bound=ApiModel)

words = st.text(max_size=128)
texts = st.text(max_size=1024)
counts = st.integers(0, 1_000_000)
times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # the zone is separate


def every(model: type[M], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[M]:
    """Build a model from strategies for all of its fields: a new field must have one here."""
    assert set(fields) == set(model.model_fields), f"{model.__name__} has changed"
    return st.builds(model, **{model.model_fields[name].alias or name: strategy for name, strategy in fields.items()})


outcomes = every(
    Outcome,
    attempt=counts,
    result=st.sampled_from(OutcomeResult),
    reason=words,
    kubelet_reason=words,
    message=texts,
    exit_code=st.none() | st.integers(-(2**31), 2**31 - 1),
    finished_at=st.none() | times,
)
blocks = every(
    BlockedState,
    escalation=st.just("demo-coder-0-blocked"),
    reason=words,
    since=times,
    expires_at=times,
    decision=st.none() | st.sampled_from(Decision),
)
outputs = st.dictionaries(words, texts, max_size=3)
results = every(ResultStatus, outcome=st.none() | words, summary=st.none() | texts, outputs=st.none() | outputs)
tokens = st.integers(0, 10**12)
usages = every(Usage, input_tokens=tokens, output_tokens=tokens, cost_micro_usd=tokens)
advice = every(
    AdviceState,
    situation=st.just("demo-coder-0a1b2c3d"),
    verdict=st.sampled_from(AdviceVerdict),
    reason=words,
    message=texts,
    intent=st.none() | st.sampled_from(AdvisedIntent),
    confidence_percent=st.none() | st.integers(0, 100),
    needs_human=st.booleans(),
    explanation=texts,
    diagnosis=texts,
    suggested_answer=texts,
    command=words,
    model=words,
    prompt_digest=words,
    latency_milliseconds=counts,
    at=times,
)
commits = st.text("0123456789abcdef", min_size=40, max_size=40)
tasks = every(
    TaskState,
    kind=st.sampled_from(TaskKind),
    number=counts,
    pod_uid=words,
    retry_at=st.none() | times,
    faults=counts,
    failure=words,
    message=texts,
)
verifications = every(
    VerificationState,
    attempt=counts,
    result=st.sampled_from(VerificationResult),
    exit_code=st.none() | st.integers(-(2**31), 2**31 - 1),
    message=st.text(max_size=4096),
    digest=words,
    tree=st.none() | commits,
    repeated=counts,
)
publications = every(
    PublishedStatus, attempt=counts, branch=texts, commit=commits, left_out=st.none() | texts, outputs=st.none() | outputs
)
agents = every(
    AgentState,
    attempt=counts,
    pod_uid=words,
    outcome=st.none() | outcomes,
    last_outcome=words,
    restarts=counts,
    free_restarts=counts,
    limited_restarts=counts,
    last_restart_at=st.none() | times,
    cooldown_until=st.none() | times,
    restarted_at=st.none() | times,
    blocked=st.none() | blocks,
    asked=st.lists(st.just("demo-coder-0a1b2c3d"), max_size=3).map(tuple),
    prolonged=st.dictionaries(st.just("demo-coder-0a1b2c3d"), st.integers(0, 3600)),
    dismissed=st.dictionaries(st.just("demo-coder-0a1b2c3d"), times),
    woken_for=st.lists(st.just("demo-coder-0a1b2c3d"), max_size=3).map(tuple),
    opened=counts,
    opened_since=st.none() | times,
    advice=st.lists(advice, max_size=2).map(tuple),
    result=st.none() | results,
    usage=st.none() | usages,
    source=st.none() | every(SourceStatus, revision=commits),
    task=st.none() | tasks,
    verification=st.none() | verifications,
    published=st.none() | publications,
    last_failure=st.none() | every(LastFailure, attempt=counts, digest=words, times=counts),
)
stops = every(StopDecision, phase=st.sampled_from(Phase), reason=words, message=texts, at=times, completed_at=st.none() | times)
states = every(
    OperatorState,
    schema_version=st.just(SCHEMA_VERSION),
    run_uid=words,
    started_at=st.none() | times,
    paused_at=st.none() | times,
    halted_at=st.none() | times,
    paused_seconds=st.integers(0, 31_536_000),
    held_at=st.none() | times,
    stop=st.none() | stops,
    agents=st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9]{0,31}\Z"), agents, max_size=4),
    updated_at=st.none() | times,
)


@given(states)
def test_every_state_survives_its_texts(state: OperatorState) -> None:
    """A state survives as a row's JSON, as an annotation, and as the object in a status."""
    assert parse(OperatorState, decode(encode(state), "x")) == state
    version, raw, refusal = _open(_close(7, state))
    assert (version, refusal) == (7, "")
    assert parse(OperatorState, raw) == state
    assert parse(OperatorState, dump(state)) == state


@given(states)
def test_equal_states_have_equal_texts(state: OperatorState) -> None:
    """The text does not depend on the order in which a state was built, so that texts can be compared."""
    turned = state.model_copy(update={"agents": dict(reversed(state.agents.items()))})
    assert encode(turned) == encode(state)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(state=states)
async def test_every_state_survives_a_database(store: SqlStore, state: OperatorState) -> None:
    """A state survives SQLite itself, with NUL characters and far times."""
    run = run_object(uid=state.run_uid or "none")
    state = state.model_copy(update={"run_uid": run["metadata"]["uid"]})
    run["status"] = {}
    meta = run["metadata"]
    await store.forget(KnownRun(meta["uid"], meta["namespace"], meta["name"]))
    written, _ = await store.commit(run, Loaded(), state, {})
    assert (await store.load(written, live=True)).state == state


@pytest.mark.parametrize(("version", "told", "says"), [(2, 3, "rolled back"), (3, 3, ""), (4, 3, "")])
def test_versions(version: int, told: int, says: str) -> None:
    """A store behind the status is refused; a store ahead of it comes from an interrupted save, which is repeated."""
    run = run_object(startTime="2026-01-01T00:00:00Z", stateVersion=told)
    loaded = judge(run, dump(state_of(run)), "it", version)
    assert says in loaded.refusal if says else not loaded.refusal
    assert loaded.pending == (version > told)


def test_a_state_without_an_agent_that_was_restarted_is_older() -> None:
    """The status has an attempt that is missing in the state, so the state is older."""
    run = run_object()
    run["status"] = status_of(state_of(run, 3))
    loaded = judge(run, dump(OperatorState(run_uid="u1")), "it")
    assert "agent coder was at attempt 3, the store says 0" in loaded.refusal


def test_a_refusal_keeps_the_evidence() -> None:
    """The status of a refused Run changes its message, and keeps every proof of its start."""
    kept: dict[str, Any] = {"startTime": "t", "storeID": "other", "stateVersion": 4, "agents": [{"name": "a"}], "operatorState": {}}
    run = run_object(**kept, phase="Running")
    written = full_status(run, Loaded(refusal="why"), {"phase": "Blocked", "agents": []}, "ours", version=9, raw={"x": 1})
    assert written == kept | {"phase": "Blocked"}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"version":1}', '{"version":0,"state":{}}', '{"version":true,"state":{}}'])
async def test_annotations_that_make_no_sense_are_refused(text: str) -> None:
    """Users can write annotations; a wrong one causes an error with its place, never an exception."""
    run = run_object()
    run["metadata"]["annotations"] = {ANNOTATION_STATE: text}
    loaded = await AnnotationStore(None).load(run, live=True)  # type: ignore[arg-type]  # nothing is asked
    assert ANNOTATION_STATE in loaded.refusal


def test_deeply_nested_json_is_refused(tmp_path: Path) -> None:
    """JSON that would exhaust the parser is refused too."""
    assert isinstance(decode("[" * 200_000, "it"), str)
