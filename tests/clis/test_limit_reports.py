"""`rw-exec-limits` in every shell: the event that it writes, with a CLI that has scripted output."""

from __future__ import annotations

import json

import pytest

from controller.api.base import JsonObject
from tests.clis.stub import STARTED, Stubbed

RECORD = "codex/sessions/2026/12/01/rollout-2026-12-01T01-27-27-t-1.jsonl"
BEGUN = '{"type":"system","subtype":"init","session_id":"t-1"}\n'


def line_of(value: JsonObject) -> str:
    """Return a line as the CLIs write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def codex_fails(message: str) -> str:
    """Return the end of codex's stream."""
    return STARTED + line_of({"type": "turn.failed", "error": {"message": message}})


def claude_fails(message: str, *infos: JsonObject, status: int = 429) -> str:
    """Return the end of claude's stream, with what it prints when the limit of a subscription changes."""
    end: JsonObject = {"type": "result", "subtype": "success", "is_error": True, "api_error_status": status, "result": message}
    events: list[JsonObject] = [{"type": "rate_limit_event", "rate_limit_info": info} for info in infos]
    return BEGUN + "".join(line_of(line) for line in [*events, end])


def window(used: float, resets_at: object) -> JsonObject:
    """Return a window of usage in codex's record."""
    return {"used_percent": used, "window_minutes": 300, "resets_at": resets_at}


def recorded(*windows: JsonObject) -> str:
    """Return a line of codex's record of a session."""
    limits = {"limit_id": "codex", "primary": windows[0], "secondary": windows[1] if windows[1:] else None}
    return line_of({"type": "event_msg", "payload": {"type": "token_count", "rate_limits": limits}})


async def limits_of(stubbed: Stubbed, cli: str, stream: str, code: int = 75) -> list[JsonObject]:
    """Return the limits that a run reports, which ends with a code."""
    stubbed.says(stream, 1)
    ended = await stubbed.pod.run(cli)
    assert (ended.code, ended.errors) == (code, "")
    return stubbed.pod.limits()


QUOTED = 'unexpected status 503 Service Unavailable: {"error": "no \\ healthy\nUpstream \N{SNOWMAN}"}'
USED_UP = "You\N{RIGHT SINGLE QUOTATION MARK}ve hit your usage limit. Try again at 3:26 AM."


async def test_the_words_are_the_clis_own(stubbed: Stubbed) -> None:
    """In their own case, without what JSON escapes, and cut."""
    first, second = [(await limits_of(stubbed, "codex", codex_fails(words)))[-1] for words in (QUOTED, QUOTED + "x" * 50_000)]
    assert first["message"] == "unexpected status 503 Service Unavailable: { error :  no   healthy Upstream \N{SNOWMAN} }"
    assert (first["kind"], len(second["message"].encode())) == ("Outage", 900)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([recorded(window(100.0, 60), window(99.9, 90))], 60),
        ([recorded(window(100, 60), window(100, 90))], 90),
        ([recorded(window(100, 90), window(250, 60))], 90),
        ([recorded(window(100, 90)), recorded(window(100, 60)), "x" * 100_000 + "\n"], 60),
        ([recorded(window(12.5, 60))], None),
        ([recorded(window(100, None))], None),
        ([recorded(window(100, "soon"))], None),
        ([recorded(window(100, 60)).replace("event_msg", "x").replace("payload", "other")], None),
        ([], None),
    ],
)
async def test_codex_says_in_its_record_when_a_window_ends(stubbed: Stubbed, lines: list[str], seconds: int | None) -> None:
    """The last of the windows that are used up counts."""
    record = stubbed.pod.state / RECORD
    record.parent.mkdir(parents=True)
    record.write_text("".join(lines))
    (limit,) = await limits_of(stubbed, "codex", codex_fails(USED_UP))
    expected = {} if seconds is None else {"resetsAt": f"1970-01-01T00:01:{seconds - 60:02}Z"}
    assert limit == {"kind": "Quota", "message": USED_UP} | expected


REJECTED: JsonObject = {"status": "rejected", "resetsAt": 60, "unifiedWindows": {"seven_day": {"resetsAt": 99}}}


@pytest.mark.parametrize(
    ("infos", "reset"),
    [
        ([REJECTED], "1970-01-01T00:01:00Z"),
        ([{"resetsAt": 60, "status": "rejected"}], "1970-01-01T00:01:00Z"),
        ([{"status": "allowed_warning", "resetsAt": 60}], None),
        ([REJECTED, {"status": "allowed", "resetsAt": 60}], None),
        ([{"status": "rejected"}], None),
        ([{"status": "rejected", "resetsAt": -60}], None),
        ([], None),
    ],
)
async def test_claude_says_in_its_stream_when_a_limit_ends(stubbed: Stubbed, infos: list[JsonObject], reset: str | None) -> None:
    """Only a limit that has refused the request counts."""
    (limit,) = await limits_of(stubbed, "claude", claude_fails("You've hit your session limit", *infos))
    assert (limit["kind"], limit.get("resetsAt")) == ("Quota", reset)


async def test_an_outage_has_no_end(stubbed: Stubbed) -> None:
    """A window of usage says nothing about it."""
    (limit,) = await limits_of(stubbed, "claude", claude_fails("API Error: 529 Overloaded", REJECTED, status=529))
    assert limit == {"kind": "Outage", "message": "API Error: 529 Overloaded"}


@pytest.mark.parametrize(("status", "code"), [(401, 77), (400, 1), (409, 75)])
async def test_other_failures_are_no_limits(stubbed: Stubbed, status: int, code: int) -> None:
    """A wrong key, a refused request and an error of one request alone stop no other agent."""
    assert await limits_of(stubbed, "claude", claude_fails("no", REJECTED, status=status), code) == []
