"""The presets parse envelopes that were recorded from the CLIs, and hostile ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.adapter.command import Command
from controller.adapter.contract import MAX_OUTPUT_BYTES, Consumption, Ended
from controller.adapter.presets.claude import Claude
from controller.adapter.presets.codex import ANSWER, Codex
from controller.adapter.presets.raw import Raw
from controller.api.base import JsonObject

KEY = "sk-proj-abcdefgh12345678"


def lines(*events: JsonObject) -> bytes:
    """Return an envelope."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def turn_failed(message: str) -> bytes:
    """Return codex's event for a failed turn."""
    return lines(
        {"type": "turn.started"}, {"type": "error", "message": "x"}, {"type": "turn.failed", "error": {"message": message}}
    )


def result(**fields: object) -> bytes:
    """Return claude's last event."""
    return lines({"type": "system"}, {"type": "result", "is_error": True, **fields})


CODEX, CLAUDE, RAW = Codex("c"), Claude("c"), Raw("c", ("c",))
FAILURES: list[tuple[Command, int, bytes, bytes, Ended, str]] = [
    (CODEX, 1, turn_failed("unexpected status 401 Unauthorized"), b"", Ended.AUTH_FAILED, "unexpected status 401 Unauthorized"),
    (CODEX, 1, turn_failed("Missing environment variable: `K`"), b"", Ended.AUTH_FAILED, "Missing environment variable: `K`"),
    (
        CODEX,
        1,
        turn_failed("exceeded retry limit, last status: 429 Too"),
        b"",
        Ended.TEMPORARY,
        "exceeded retry limit, last status: 429 Too",
    ),
    (CODEX, 1, turn_failed("Quota exceeded. Check"), b"", Ended.TEMPORARY, "Quota exceeded. Check"),
    (CODEX, 1, turn_failed(f"unexpected status 401: {KEY}"), b"", Ended.AUTH_FAILED, "unexpected status 401: ***"),
    (CODEX, 1, turn_failed("status 5000 words"), b"", Ended.FAILED, "status 5000 words"),
    (CODEX, 1, b"", b"Error: Unknown feature flag: x\n", Ended.FAILED, "Error: Unknown feature flag: x"),
    (CODEX, -11, b"", b"", Ended.FAILED, "exit code -11 without a message"),
    (CODEX, 0, lines({"type": "turn.completed"}), b"", Ended.FAILED, "the model gave no answer"),
    (CODEX, 0, b"", b"", Ended.FAILED, "exit code 0 without a message"),
    (CLAUDE, 1, result(api_error_status=401, result="no"), b"", Ended.AUTH_FAILED, "no"),
    (CLAUDE, 1, result(api_error_status=529, result="API Error: 529"), b"", Ended.TEMPORARY, "API Error: 529"),
    (CLAUDE, 1, result(api_error_status=400, result=f"Bearer {KEY}"), b"", Ended.FAILED, "***"),
    (CLAUDE, 1, result(result="Not logged in · Please run /login"), b"", Ended.AUTH_FAILED, "Not logged in · Please run /login"),
    (CLAUDE, 1, result(errors=["Reached maximum number of turns (1)"]), b"", Ended.FAILED, "Reached maximum number of turns (1)"),
    (CLAUDE, 1, b"", b"error: unknown option '--tools'", Ended.FAILED, "error: unknown option '--tools'"),
    (CLAUDE, 143, lines({"type": "system"}), b"", Ended.FAILED, "exit code 143 without a message"),
    (RAW, 2, b"", b"what?", Ended.MISUSED, "what?"),
    (RAW, 3, b"", b"", Ended.AUTH_FAILED, "exit code 3 without a message on stderr"),
    (RAW, 4, b'{"intent": "noop"}', b"not sure", Ended.ABSTAINED, "not sure"),
    (RAW, 75, b"", b"\xff busy", Ended.TEMPORARY, "\ufffd busy"),
    (RAW, 124, b"", b"late", Ended.TIMED_OUT, "late"),
    (RAW, 1, b"{}", b"", Ended.FAILED, "exit code 1 without a message on stderr"),
]


@pytest.mark.parametrize(("command", "code", "stdout", "stderr", "ended", "detail"), FAILURES)
def test_failure_is_read_with_its_words(
    tmp_path: Path, command: Command, code: int, stdout: bytes, stderr: bytes, ended: Ended, detail: str
) -> None:
    """Every recorded failure gives its message for people, and no output."""
    said = command.read(code, stdout, stderr, tmp_path)
    assert (said.ended, said.detail, said.output) == (ended, detail, b"")


@pytest.mark.parametrize("command", [CODEX, CLAUDE], ids=["codex", "claude"])
@pytest.mark.parametrize("stdout", [b"hello\n", b"[1]\n", b"\xff\xfe", b'{"type": "turn.completed"'])
def test_envelope_that_is_none_is_refused(tmp_path: Path, command: Command, stdout: bytes) -> None:
    """The adapter turns the error into a failure; no answer is guessed from half an envelope."""
    (tmp_path / ANSWER).write_text("{}")
    with pytest.raises(ValueError, match=r"JSON|codec|Expect|delimiter"):
        command.read(0, stdout, b"", tmp_path)


def test_codex_answer_that_is_too_long_is_read_no_further_than_that(tmp_path: Path) -> None:
    """The preset passes on one byte more than allowed, so that the adapter rejects the answer as a whole."""
    (tmp_path / ANSWER).write_bytes(b"x" * (10 * MAX_OUTPUT_BYTES))
    said = CODEX.read(0, lines({"type": "turn.completed", "usage": {"input_tokens": 7, "output_tokens": 8}}), b"", tmp_path)
    assert len(said.output) == MAX_OUTPUT_BYTES + 1
    assert said.consumption == Consumption(7, 8)


def stream(*events: JsonObject) -> bytes:
    """Return claude's envelope of one successful message, and its cost."""
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 4}
    ended = {"type": "result", "usage": usage, "total_cost_usd": 0.0123456}
    return lines(*({"type": "stream_event", "event": event} for event in events), ended)


def block(index: int, kind: JsonObject, *deltas: JsonObject) -> list[JsonObject]:
    """Return the events of a block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": kind},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
    ]


TEXT, TOOL, SHELL = {"type": "text"}, {"type": "tool_use", "name": "StructuredOutput"}, {"type": "tool_use", "name": "Bash"}
START: JsonObject = {"type": "message_start", "message": {"model": "opus"}}
SAID = [
    ([START, *block(0, TEXT, {"text": "a "}, {"text": "b\n"})], b"a b\n"),
    ([START, *block(0, TEXT, {"text": "So: "}), *block(1, TOOL, {"partial_json": '{"a"'}, {"partial_json": ": 1}"})], b'{"a": 1}'),
    ([START, *block(0, TOOL, {"partial_json": "{}"}), *block(1, TOOL, {"partial_json": "{}"})], b"{}\n{}"),
    ([START, *block(0, TEXT, {"text": "cut"}), START, *block(0, TEXT, {"text": "again"})], b"again"),
    ([START, *block(0, {"type": "thinking"}, {"thinking": "hm"}), *block(1, TEXT, {"text": "x"})], b"x"),
]


@pytest.mark.parametrize(("events", "output"), SAID)
def test_claude_answer_is_what_the_last_message_said(tmp_path: Path, events: list[JsonObject], output: bytes) -> None:
    """The answer is exact; two answers stay two, and the gate rejects them.

    Cached input counts as input; cost is in millionths of a dollar.
    """
    said = CLAUDE.read(1, stream(*events), b"", tmp_path)
    assert (said.ended, said.output, said.model) == (Ended.ANSWERED, output, "opus")
    assert said.consumption == Consumption(321, 4, 12346)


def test_claude_call_of_another_tool_is_no_answer(tmp_path: Path) -> None:
    """A model that calls another tool, such as a shell, has given no advice."""
    said = CLAUDE.read(1, stream(START, *block(0, SHELL, {"partial_json": '{"command": "x"}'})), b"", tmp_path)
    assert (said.ended, said.output) == (Ended.FAILED, b"")
