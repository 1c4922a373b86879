"""The agent's events, checked against the schema, and the reporter's record of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.api.agent_report import MAX_IDS, MAX_QUESTIONS, AgentReportStatus
from controller.api.base import parse
from controller.reporter import agent_record, report_status
from controller.reporter.agent_record import Memory
from controller.reporter.events import CONTROLS, Wrong, check, read_line
from controller.reporter.report_status import LAST_WORDS_LIMIT, last_words, merge_patch, status_of
from tests.unit.reporter.server import SETTINGS

WRONG: list[tuple[bytes, str]] = [
    (b"no json", "json"),
    (b"[" * 100_000, "json"),
    (b"1" * 5000, "json"),
    (b"\xff", "json"),
    (b"\xff\xfe", "encoding"),
    (b'{"type":"progress","message":"a\0b"}', "json"),
    (b"[]", "object"),
    (b'{"type":"rm"}', "type"),
    (b'{"type":["progress"]}', "type"),
    (b'{"type":"turn"}', "type"),
    (b'{"type":"progress","message":1}', "progress.message"),
    (b'{"type":"question","id":"a"}', "question.text"),
    (b'{"type":"question","id":"a","text":" "}', "question.text"),
    (b'{"type":"question","id":"../../etc/passwd","text":"x"}', "id"),
    (b'{"type":"question","id":"a\\n","text":"x"}', "id"),
    (b'{"type":"question","id":"' + b"a" * 64 + b'","text":"x"}', "id"),
    (b'{"type":"question","id":"a","text":"x","options":[1]}', "question.options"),
    (b'{"type":"question","id":"a","text":"x","options":' + json.dumps(["x"] * 17).encode() + b"}", "question.options"),
    (b'{"type":"read"}', "id"),
    (b'{"type":"usage","inputTokens":-1}', "usage"),
    (b'{"type":"usage","inputTokens":1.5}', "usage"),
    (b'{"type":"usage","inputTokens":true}', "usage"),
    (b'{"type":"usage","inputTokens":1e999}', "usage"),
    (b'{"type":"usage","inputTokens":9999999999999999}', "usage"),
    (b'{"type":"limit"}', "limit.kind"),
    (b'{"type":"limit","kind":"Quota"}', "limit.kind"),
    (b'{"type":"limit","kind":["quota"]}', "limit.kind"),
    (b'{"type":"limit","kind":"quota","message":1}', "limit.message"),
    (b'{"type":"limit","kind":"quota","resetSeconds":-1}', "limit.resetSeconds"),
    (b'{"type":"limit","kind":"quota","resetSeconds":NaN}', "limit.resetSeconds"),
    (b'{"type":"limit","kind":"quota","resetSeconds":true}', "limit.resetSeconds"),
    (b'{"type":"limit","kind":"quota","resetSeconds":"60"}', "limit.resetSeconds"),
    (b'{"type":"limit","kind":"quota","resetsAt":-Infinity}', "limit.resetsAt"),
    (b'{"type":"limit","kind":"quota","resetsAt":"soon"}', "limit.resetsAt"),
    (b'{"type":"limit","kind":"quota","resetsAt":"2026-01-01T00:00:00"}', "limit.resetsAt"),
    (b'{"type":"limit","kind":"quota","resetsAt":"0001-01-01T00:00:00+14:00"}', "limit.resetsAt"),
    (b'{"type":"result","outcome":"Great"}', "result.outcome"),
    (b'{"type":"result","outcome":"Failed","outputs":{"a":1}}', "result.outputs"),
]


@pytest.mark.parametrize(("line", "kind"), WRONG)
def test_what_is_wrong_is_left_out_with_its_reason(line: bytes, kind: str) -> None:
    """Each mistake is refused with a kind of its own, and a message that fits into a report."""
    with pytest.raises(Wrong) as caught:
        check(read_line(line))
    assert caught.value.kind == kind
    assert 0 < len(str(caught.value)) <= 1024


@pytest.mark.parametrize(
    "line",
    [
        b"\xef\xbb\xbf%s",
        b"%s\r",
        b"\0\0\0%s",
        b"%s\0",
    ],
    ids=["byte order mark", "CRLF", "hole of a truncated file", "padding"],
)
def test_first_and_last_bytes_that_do_no_harm(line: bytes) -> None:
    """Editors and shells add a mark or a carriage return; a truncated file that is written on begins with zeros."""
    assert check(read_line(line % b'{"type":"progress","message":"a"}')) == {"type": "progress", "message": "a"}


def test_another_alphabet_is_read_with_replacements() -> None:
    """Latin-1 in a text costs its letters and not the event."""
    assert check(read_line('{"type":"progress","message":"caf\u00e9"}'.encode("latin-1")))["message"] == "caf\ufffd"


SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = SCALAR | st.lists(SCALAR, max_size=4) | st.dictionaries(st.text(max_size=8), SCALAR, max_size=4)
FIELDS = st.sampled_from(
    ["message", "id", "text", "options", "inputTokens", "outcome", "summary", "outputs", "kind", "resetSeconds", "resetsAt"]
)
EVENTS = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(["progress", "question", "read", "park", "usage", "limit", "result"]),
    st.dictionaries(FIELDS, JSON | st.sampled_from(["Completed", "q1", "quota", "2026-01-01T00:00:00Z", 7]), max_size=4),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=12), st.integers(0, 5))
def test_whatever_is_said_makes_a_report_that_the_api_takes(said: list[dict[str, Any]], delivered: int) -> None:
    """Any mixture of valid and invalid events gives a status that meets the schema and a termination message that fits."""
    known = Memory(0.0)
    known.deliver(f"q{number}" for number in range(delivered))
    for event in said:
        try:
            known.apply_event(check(event), 1.0)
        except Wrong as error:
            known.add_problem(error.kind, str(error))
    status = status_of(SETTINGS, known, ("Events",), 7, 61.0)
    assert parse(AgentReportStatus, status).seq == 7
    assert len(last_words(status).encode()) <= LAST_WORDS_LIMIT
    assert parse(AgentReportStatus, json.loads(last_words(status))).attempt == 3


def test_the_reporters_limits_are_the_apis() -> None:
    """The reporter may not import the models, so its numbers are compared with theirs here."""
    assert (agent_record.MAX_QUESTIONS, agent_record.MAX_IDS) == (MAX_QUESTIONS, MAX_IDS)


def test_texts_are_cut_and_harmless() -> None:
    """A message of any length and content is made safe for a terminal and the API."""
    found = check({"type": "progress", "message": "\x1b[31m\x00\ud800" + "x" * 5000})["message"]
    assert len(found) == 1024
    assert not set(map(ord, found)) & set(CONTROLS)
    found.encode()


def question(name: str, text: str = "ok?") -> dict[str, Any]:
    return {"type": "question", "id": name, "text": text, "options": []}


def test_the_life_of_a_question() -> None:
    """A question is reported once; repeated, it is the same.

    After its answer is delivered and read it is removed, and not asked again.
    """
    known = Memory(0.0)
    assert known.apply_event(question("q"), 1.0)
    assert not known.apply_event(question("q"), 2.0)
    assert known.waiting
    assert known.deliver(["q"])
    assert not known.waiting
    assert list(known.questions) == ["q"]
    assert known.apply_event({"type": "read", "id": "q"}, 3.0)
    assert (known.questions, known.read) == ({}, ["q"])
    assert not known.apply_event(question("q"), 4.0)
    assert not known.problems


def test_forged_questions_are_told() -> None:
    """A read of an undelivered answer, another text under a known ID, and more than eight open questions are dropped and
    reported.
    """
    known = Memory(0.0)
    known.apply_event(question("q"), 1.0)
    assert not known.apply_event({"type": "read", "id": "q"}, 1.0)
    known.apply_event(question("q", "other?"), 1.0)
    for number in range(20):
        known.apply_event(question(f"n{number}"), 1.0)
    assert len(known.questions) == MAX_QUESTIONS
    assert known.questions["q"]["text"] == "ok?"
    assert set(known.problems) == {"read", "question.again", "question.many"}


def test_usage_that_goes_backwards_is_not_trusted() -> None:
    """Usage that is less than before is a problem, and the earlier value stays."""
    known = Memory(0.0)
    for tokens in (5, 3):
        known.apply_event(check({"type": "usage", "inputTokens": tokens}), 1.0)
    assert known.usage == {"inputTokens": 5, "outputTokens": 0, "costMicroUSD": 0}
    assert "usage.less" in known.problems


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({}, {}),
        ({"resetSeconds": 0.2}, {"resetSeconds": 1}),
        ({"resetSeconds": 10**400, "resetsAt": 7}, {"resetSeconds": 31_536_000}),
        ({"resetSeconds": None, "resetsAt": 0}, {"resetsAt": "1970-01-01T00:00:00Z"}),
        ({"resetsAt": 1e999}, {"resetsAt": "9999-12-31T23:59:59Z"}),
        ({"resetsAt": "2026-01-01T02:00:00.5+02:00"}, {"resetsAt": "2026-01-01T00:00:00Z"}),
    ],
)
def test_the_reset_of_a_limit_is_bounded(given: dict[str, Any], reported: dict[str, Any]) -> None:
    """A report has a time that the API server takes, whatever the agent wrote."""
    known = Memory(0.0)
    assert known.apply_event(check({"type": "limit", "kind": "rateLimit", "message": "x" * 5000, **given}), 5.0)
    status = status_of(SETTINGS, known, (), 1, 7.5)
    assert parse(AgentReportStatus, status).limit
    assert status["limit"] == {"kind": "RateLimit", "ageSeconds": 2, "message": "x" * 1023 + "\N{HORIZONTAL ELLIPSIS}", **reported}


def test_a_finished_turn_ends_a_limit() -> None:
    """The model has answered after it. The same limit again is not urgent, but its age is that of the last."""
    known, event = Memory(0.0), check({"type": "limit", "kind": "quota"})
    assert known.has_spoken is False
    assert [known.apply_event(event, moment) for moment in (1.0, 2.0)] == [True, False]
    assert (known.has_spoken, known.limit_at) == (True, 2.0)
    known.apply_event({"type": "turn"}, 2.0)
    assert known.limit
    known.apply_event({"type": "turn"}, 3.0)
    assert "limit" not in status_of(SETTINGS, known, (), 1, 4.0)
    assert known.apply_event(event, 5.0)


def test_only_the_latest_ids_are_remembered() -> None:
    """A thousand consecutive questions stay within the schema."""
    known = Memory(0.0)
    known.deliver(f"q{number}" for number in range(1000))
    assert (len(known.delivered), known.delivered[-1]) == (MAX_IDS, "q999")


def test_last_words_keep_what_matters_most() -> None:
    """If the report exceeds 4096 bytes, the result, usage, limit and the question IDs are kept, and problems are dropped."""
    known = Memory(0.0)
    for number in range(8):
        known.apply_event(check(question(f"q{number}", "\N{SNOWMAN}" * 16000)), 1.0)
        known.add_problem(f"p{number}", "x" * 1000)
    known.apply_event(check({"type": "usage", "inputTokens": 9}), 1.0)
    known.apply_event(check({"type": "limit", "kind": "quota", "resetSeconds": 60, "message": "\N{SNOWMAN}" * 1000}), 1.0)
    known.apply_event(check({"type": "result", "outcome": "Completed", "summary": "\N{SNOWMAN}" * 1000}), 1.0)
    status = status_of(SETTINGS, known, (), 1, 1.0)
    found = json.loads(last_words(status))
    assert found["result"]["outcome"] == "Completed"
    assert found["usage"]["inputTokens"] == 9
    assert (found["limit"]["kind"], found["limit"]["resetSeconds"]) == ("Quota", 60)
    assert [asked["id"] for asked in found["questions"]] == list(known.questions)
    assert "problems" not in found
    assert found["seq"] == 1


OBJECTS = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.dictionaries(st.sampled_from("xy"), st.integers()))


@given(OBJECTS.map(lambda o: {k: v for k, v in o.items() if v is not None}), OBJECTS)
def test_a_merge_patch_makes_the_new_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    """By the rules of RFC 7396, the first report of the next attempt removes the report of an earlier one."""
    new = {key: value for key, value in new.items() if value is not None}
    assert patched(old, merge_patch(old, new)) == new


def patched(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = patched(found.get(key), value)
    return found


def test_times_alone_are_no_news() -> None:
    """Two reports of an agent without activity between them are equal except for times."""
    known = Memory(0.0)
    one, other = (status_of(SETTINGS, known, (), seq, float(seq)) for seq in (1, 60))
    assert report_status.same_but_for_times(one, other)
    known.apply_event(check({"type": "park"}), 61.0)
    assert not report_status.same_but_for_times(one, status_of(SETTINGS, known, (), 61, 61.0))


def test_a_dismissed_question_is_left_out_and_said_so() -> None:
    """A question that was dismissed before it is asked is not reported as asked, so an agent that parks for it is not waiting."""
    known = Memory(0.0)
    known.dismiss(["q1"])
    known.deliver(["q1"])
    assert not known.apply_event({"type": "question", "id": "q1", "text": "Ship it?", "options": []}, 1.0)
    assert known.apply_event({"type": "question", "id": "q2", "text": "When?", "options": []}, 1.0)
    assert list(known.questions) == ["q2"]
    assert "a human has dismissed it" in known.problems["question.dismissed"]


def test_a_question_that_is_dismissed_while_it_is_asked_is_not_waited_for() -> None:
    """The report still has the question and the delivery of its dismissal; the agent no longer waits for it."""
    known = Memory(0.0)
    known.apply_event({"type": "question", "id": "q1", "text": "Ship it?", "options": []}, 1.0)
    known.dismiss(["q1"])
    known.deliver(["q1"])
    assert (list(known.questions), known.waiting) == (["q1"], False)
