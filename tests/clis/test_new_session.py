"""A kept session that cannot answer any more is replaced by a new one, and so is one that a human gives up."""

from __future__ import annotations

import json

import pytest

from controller.api.base import JsonObject
from tests.clis.cli import BOTH, Cli
from tests.clis.model import Reply
from tests.clis.pod import Pod, finish, terminate
from tests.clis.stub import DONE, SLEEPER, STARTED, Stubbed
from tests.support import await_that

REFUSED = STARTED + '{"type":"turn.failed","error":{"message":"unexpected status 400 Bad Request: no output for call_1"}}\n'
OUTAGE = STARTED + '{"type":"turn.failed","error":{"message":"unexpected status 503 Service Unavailable: no"}}\n'
RETRYING = """#!/bin/sh
printf '%s\\n' "$@" >"$STUB/arguments"
cat >/dev/null
echo '{"type":"error","message":"Reconnecting... waiting for network"}'
exec sleep 1000
"""
BROKEN = Reply(status=400, error="invalid_request_error")


def resumed(stubbed: Stubbed) -> bool:
    """Whether the CLI was started with the known session."""
    return "resume" in stubbed.arguments


async def attempts(stubbed: Stubbed, *streams: str, first: int = 1) -> list[bool]:
    """Run an attempt for each stream; return which of them resumed a session."""
    found = []
    for attempt, stream in enumerate(streams, first):
        stubbed.pod.begin(attempt)
        stubbed.says(stream)
        await stubbed.pod.run("codex")
        found.append(resumed(stubbed))
    return found


def progress(pod: Pod) -> list[str]:
    """Return the progress that `rw exec` itself reported."""
    events: list[JsonObject] = [json.loads(line) for line in (pod.outbox / "out/events.jsonl").read_text().splitlines()]
    return [str(event["message"]) for event in events if event["type"] == "progress"]


async def test_two_refusals_in_a_row_end_a_session(stubbed: Stubbed) -> None:
    """The third attempt has a new session, and says so in its log, in its progress and to the agent."""
    await stubbed.pod.run("codex")
    assert await attempts(stubbed, REFUSED, REFUSED) == [True, True]
    stubbed.pod.begin(3)
    stubbed.says(STARTED.replace("t-1", "t-2") + DONE)
    ended = await stubbed.pod.run("codex")
    assert not resumed(stubbed)
    assert "a new session of codex begins: it was resumed 2 times in a row" in ended.errors
    assert len(progress(stubbed.pod)) == 1
    assert stubbed.prompt.startswith(stubbed.pod.brief)
    assert "its conversation is not continued: it was resumed 2 times in a row without finishing a turn" in stubbed.prompt
    assert await attempts(stubbed, DONE, first=4) == [True]
    assert stubbed.arguments[-3:] == ["resume", "t-2", "-"]


async def test_a_finished_turn_between_two_refusals_keeps_the_session(stubbed: Stubbed) -> None:
    """Only failures in a row count."""
    await stubbed.pod.run("codex")
    assert await attempts(stubbed, REFUSED, DONE, REFUSED, DONE) == [True] * 4


async def test_an_outage_does_not_cost_the_session(stubbed: Stubbed) -> None:
    """The provider's failures say nothing about the session."""
    await stubbed.pod.run("codex")
    assert await attempts(stubbed, OUTAGE, OUTAGE, OUTAGE, REFUSED, OUTAGE) == [True] * 5


async def test_a_crash_counts_as_a_refusal_does(stubbed: Stubbed) -> None:
    """A CLI that cannot even load its session reports nothing."""
    await stubbed.pod.run("codex")
    assert await attempts(stubbed, "", "", "") == [True, True, False]


@pytest.mark.parametrize(
    ("outcome", "kept"), [("ActivityStalled", False), ("OOMKilled", False), ("Interrupted", True), ("Disrupted", True)]
)
async def test_an_attempt_that_did_not_see_its_end_counts_by_its_outcome(stubbed: Stubbed, outcome: str, kept: bool) -> None:
    """A session that hangs when it is resumed is ended by the operator; a drained node says nothing about it."""
    await stubbed.pod.run("codex")
    stubbed.pod.environment["RUNWATCHMAN_LAST_OUTCOME"] = outcome
    for attempt in (1, 2):
        await _stopped(stubbed, attempt, SLEEPER)
    stubbed.becomes('#!/bin/sh\nprintf \'%s\\n\' "$@" >"$STUB/arguments"\n')
    stubbed.pod.begin(3)
    await stubbed.pod.run("codex")
    assert resumed(stubbed) is kept


async def test_a_stop_while_the_provider_is_away_does_not_count(stubbed: Stubbed) -> None:
    """Codex waits for the network without an end, and the operator restarts it as inactive: the session is not the cause."""
    await stubbed.pod.run("codex")
    stubbed.pod.environment["RUNWATCHMAN_LAST_OUTCOME"] = "ActivityStalled"
    for attempt in (1, 2, 3):
        await _stopped(stubbed, attempt, RETRYING)
        assert resumed(stubbed)


async def _stopped(stubbed: Stubbed, attempt: int, script: str) -> None:
    """Run an attempt that is stopped while its CLI waits."""
    stubbed.pod.begin(attempt)
    stubbed.becomes(script)
    (stubbed.folder / "arguments").unlink()
    process = await stubbed.pod.start("codex")
    await_that((stubbed.folder / "arguments").exists, "the CLI did not start")
    if script is RETRYING:
        stream = stubbed.pod.outbox / "out/stream.jsonl"
        await_that(lambda: "Reconnecting" in stream.read_text(), "the CLI's message")
    terminate(process)
    await finish(process)


async def test_a_human_gives_a_session_up_once(stubbed: Stubbed) -> None:
    """The operator gives every later attempt the time of the order; the workspace records that it was carried out."""
    await stubbed.pod.run("codex")
    stubbed.pod.environment["RUNWATCHMAN_NEW_SESSION"] = "2026-01-01T00:00:00Z"
    assert await attempts(stubbed, DONE, STARTED + DONE, DONE) == [False, False, True]
    stubbed.pod.environment["RUNWATCHMAN_NEW_SESSION"] = "2026-01-02T00:00:00Z"
    assert await attempts(stubbed, STARTED + DONE, DONE, first=4) == [False, True]


async def test_an_unreadable_count_does_not_matter(stubbed: Stubbed) -> None:
    """The workspace is the agent's: any file there may hold anything."""
    await stubbed.pod.run("codex")
    (stubbed.pod.state / "codex.session.failures").write_text("; rm -rf /\n")
    assert await attempts(stubbed, REFUSED, DONE) == [True, True]


@pytest.mark.parametrize("cli", BOTH, ids=lambda cli: cli.name)
async def test_a_conversation_that_the_model_refuses_begins_again(pod: Pod, cli: Cli) -> None:
    """With the real CLIs: a model that answers 400 to the kept conversation gets a new one with the whole brief at the third
    attempt.
    """
    async with cli.model(Reply(text="a lost answer"), BROKEN).serve() as model:
        cli.equip(pod, model)
        assert (await pod.run(*cli.arguments(model))).code == 0
        for attempt in (1, 2):
            pod.begin(attempt)
            assert (await pod.run(*cli.arguments(model))).code == 1
            assert "a lost answer" in model.said()
        model.answer(Reply(text="recovered"))
        pod.begin(3)
        ended = await pod.run(*cli.arguments(model))
    assert (ended.code, "a new session" in ended.errors) == (0, True)
    assert "a lost answer" not in model.said()
    assert all(part in model.said() for part in (pod.brief.strip(), "its conversation is not continued"))
    assert pod.results()[-1]["summary"] == "recovered"


UNKNOWN = (
    '{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: c-1"]}\n'
)
ONLY_NEW = """#!/bin/sh
cat >"$STUB/prompt"
case " $* " in *" --resume "*) cat "$STUB/unknown"; exit 1 ;; esac
cat "$STUB/stream"
"""


async def test_an_unknown_session_may_be_named_in_the_stream_only(stubbed: Stubbed) -> None:
    """Claude 2.1.21 writes nothing about it to stderr."""
    begun = '{"type":"system","subtype":"init","session_id":"c-1"}\n{"type":"result","subtype":"success","is_error":false}\n'
    stubbed.says(begun)
    stubbed.becomes(ONLY_NEW)
    (stubbed.folder / "unknown").write_text(UNKNOWN)
    await stubbed.pod.run("claude")
    stubbed.pod.begin(1)
    assert (await stubbed.pod.run("claude")).code == 0
    assert "its conversation is lost" in stubbed.prompt
