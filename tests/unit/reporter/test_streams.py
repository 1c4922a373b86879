"""The streams of real CLIs, recorded by `rw exec`, as events; data/streams has each one with its events.

`UPDATE_GOLDEN=1` writes the events.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.reporter.cli_streams import MAX_SUMMARY, Stream, parse

RECORDED = sorted((Path(__file__).parent / "data/streams").glob("*.jsonl"))
DONE = '{"type":"turn.completed","usage":{"input_tokens":%d,"output_tokens":%d}}'


def events_of(*lines: str) -> list[dict[str, object]]:
    stream = Stream()
    return [event for line in lines for event in stream.feed(line)]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_stream(path: Path) -> None:
    """A recorded stream gives the events in the file next to it."""
    found = events_of(*path.read_text().splitlines())
    golden = path.with_suffix(".events.json")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(golden.read_text())


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_usage_never_goes_back(path: Path) -> None:
    """An attempt's usage only rises, otherwise the reporter would not trust it."""
    used = [event for event in events_of(*path.read_text().splitlines()) if event["type"] == "usage"]
    for field in ("inputTokens", "outputTokens", "costMicroUSD"):
        amounts = [event.get(field, 0) for event in used]
        assert amounts == sorted(amounts, key=lambda amount: int(str(amount)))


def test_a_session_that_is_older_than_the_attempt() -> None:
    """Codex counts per session: usage from before the run does not belong to the attempt, and runs of one attempt add up."""
    begun = '{"type":"rw.exec","cli":"codex","resumed":true,"before":{"input_tokens":%d,"output_tokens":%d}}'
    found = events_of(begun % (100, 10), DONE % (150, 15), begun % (150, 15), DONE % (170, 20))
    assert found[-2] == {"type": "usage", "inputTokens": 70, "outputTokens": 10}


def test_claudes_cost_is_the_sessions_where_it_is_not_told_apart() -> None:
    """Without usage by model the cost is taken from a session's first run only, since it is the session's."""
    done = '{"type":"result","subtype":"success","is_error":false,"total_cost_usd":0.5,"usage":{"input_tokens":1},"result":""}'
    begun = '{"type":"rw.exec","cli":"claude","resumed":%s,"before":{}}'
    assert events_of(begun % "false", done)[1]["costMicroUSD"] == 500_000
    assert "costMicroUSD" not in events_of(begun % "true", done)[1]


def test_a_message_of_several_blocks_is_counted_once() -> None:
    """A message's usage is repeated with each of its blocks, so it is counted once."""
    line = '{"type":"assistant","message":{"id":"%s","usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}}'
    found = events_of(line % "a", line % "a", line % "b")
    assert [event["inputTokens"] for event in found] == [7, 14]


def test_a_long_last_message_is_cut() -> None:
    """A summary is short; the whole message is in the logs."""
    said = json.dumps({"type": "item.completed", "item": {"type": "agent_message", "text": "x" * 5000}})
    summary = events_of(said, DONE % (1, 1))[-1]["summary"]
    assert isinstance(summary, str)
    assert len(summary) == MAX_SUMMARY


def test_a_failed_turn_is_no_turn() -> None:
    """One field of an error says success; the field that says error counts."""
    line = '{"type":"result","subtype":"%s","is_error":%s,"result":"x","usage":{}}'
    assert [event["type"] for event in parse(line % ("success", "true"))] == ["usage"]
    assert [event["type"] for event in parse(line % ("error_max_turns", "false"))] == ["usage"]
    assert [event["type"] for event in parse(line % ("success", "false"))] == ["turn", "usage", "result"]


WRONG = [
    "",
    "no json",
    "[]",
    "1" * 5000,
    "[" * 100_000,
    '{"type":[]}',
    '{"type":"item.completed","item":[]}',
    '{"type":"item.completed","item":{"type":"agent_message","text":1}}',
    '{"type":"assistant","message":{"id":{},"usage":[1]}}',
    '{"type":"rw.exec","before":"x"}',
]


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:30])
def test_a_wrong_line_says_nothing(line: str) -> None:
    """Agents can write to the file too; a wrong line does not harm the reporter."""
    assert parse(line) == []


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-Infinity", "1e400", '"1"', "null"])
def test_a_cost_that_is_no_amount_is_none(cost: str) -> None:
    """JSON's extensions allow numbers that are not valid amounts of money."""
    line = f'{{"type":"result","total_cost_usd":{cost},"usage":{{"input_tokens":true,"output_tokens":"1"}}}}'
    assert parse(line) == [{"type": "usage", "inputTokens": 0, "outputTokens": 0}]


KEYS = ("type", "usage", "item", "message", "before", "id", "input_tokens", "total_cost_usd", "model_usage_since_last_result", "x")
TYPES = ("rw.exec", "item.completed", "turn.completed", "assistant", "result", "agent_message")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # Machines are shared.
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), max_size=5))
def test_no_line_raises(lines: list[dict[str, object]]) -> None:
    """Known fields with values of any type raise no exception and give events."""
    assert all(event["type"] in ("turn", "usage", "result") for event in events_of(*map(json.dumps, lines)))
