"""The gate rejects every kind of invalid answer and no valid one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.advisor.answer_gate import Answer, judge
from controller.advisor.rejections import Refusal, RefusalReason
from controller.api.advice import AdvisedIntent
from tests.fuzz.campaign import run
from tests.fuzz.corpus import hostile, outputs
from tests.fuzz.mutants import MUTANTS, without

TARGET = "ns/demo"
ALLOWED = (AdvisedIntent.AUTO_RESTART, AdvisedIntent.ESCALATE_BLOCKED, AdvisedIntent.NOOP)
GOOD: dict[str, Any] = {"intent": "noop", "target_run": TARGET, "reason": "r", "confidence": 0.5, "needs_human": False}
FIXED_COUNT, FIXED_SEED = 5000, 1
MUTANT_COUNT = 3000

R = RefusalReason


def text_of(**changes: Any) -> str:
    return json.dumps(GOOD | changes)


def with_confidence(lexeme: str) -> str:
    return text_of(confidence="@").replace('"@"', lexeme)


REFUSED: list[tuple[RefusalReason, str | bytes, str]] = [
    (R.TOO_LONG, b" " * 65_537, "65537 bytes"),
    (R.TOO_LONG, b"[" * 10_000_000, "10000000 bytes"),
    (R.NOT_UTF8, b"\xff", "byte 0"),
    (R.NOT_UTF8, text_of().encode("utf-16"), "byte 0"),
    (R.TOO_DEEP, "[" * 60_000, "levels"),
    (R.TOO_DEEP, '{"a":' * 9 + "1" + "}" * 9, "levels"),
    (R.NOT_JSON, "", "exactly one JSON object"),
    (R.NOT_JSON, "\ufeff" + text_of(), "exactly one JSON object"),
    (R.NOT_JSON, f"Sure: {text_of()}", "Sure"),
    (R.NOT_JSON, f"```json\n{text_of()}\n```", "json"),
    (R.NOT_JSON, '"' + '\\"' * 30_000, "exactly one JSON object"),
    (R.NOT_ONE_DOCUMENT, text_of() + text_of(), "continues"),
    (R.NOT_ONE_DOCUMENT, text_of() + " done", "done"),
    (R.DUPLICATE_KEY, text_of()[:-1] + ', "intent": "noop"}', "intent"),
    (R.DUPLICATE_KEY, text_of()[:-1] + ', "\\u0069ntent": "noop"}', "intent"),
    (R.DUPLICATE_KEY, '{"a": {"b": 1, "b": 1}}', "'b'"),
    (R.NOT_FINITE, with_confidence("NaN"), "NaN"),
    (R.NOT_FINITE, with_confidence("-Infinity"), "-Infinity"),
    (R.HUGE_NUMBER, with_confidence("1" + "0" * 5000), "1000"),
    (R.HUGE_NUMBER, with_confidence("1e999"), "1e999"),
    (R.HUGE_NUMBER, with_confidence("1e-99999999999999999999"), "1e-9999"),
    (R.NOT_AN_OBJECT, "[]", "[]"),
    (R.NOT_AN_OBJECT, json.dumps(text_of()), "intent"),
    (R.UNKNOWN_FIELD, text_of(tool="x"), "'tool'"),
    (R.UNKNOWN_FIELD, text_of(Intent="noop"), "'Intent'"),
    (R.MISSING_FIELD, "{}", "intent"),
    *((R.MISSING_FIELD, json.dumps({k: v for k, v in GOOD.items() if k != name}), name) for name in GOOD),
    *((R.WRONG_TYPE, text_of(**{name: None}), name) for name in GOOD),
    *((R.WRONG_TYPE, text_of(**{name: [GOOD[name]]}), name) for name in GOOD),
    (R.WRONG_TYPE, text_of(confidence=True), "confidence: is True"),
    (R.WRONG_TYPE, text_of(confidence="0.5"), "confidence: is '0.5'"),
    (R.WRONG_TYPE, text_of(needs_human=0), "needs_human: is 0"),
    (R.WRONG_TYPE, text_of(needs_human="false"), "needs_human: is 'false'"),
    (R.WRONG_TYPE, text_of(diagnosis=1), "diagnosis: is 1"),
    *(
        (R.TEXT_TOO_LONG, text_of(**{name: "x" * 1025}), f"{name}: has 1025")
        for name in ("reason", "diagnosis", "suggested_answer")
    ),
    (R.CONTROL_CHARACTERS, text_of(reason="\x00"), "reason"),
    (R.CONTROL_CHARACTERS, text_of(reason="\x1b[2J"), "reason"),
    (R.CONTROL_CHARACTERS, text_of(diagnosis="\r"), "diagnosis"),
    (R.CONTROL_CHARACTERS, text_of(suggested_answer="\ud800"), "suggested_answer"),
    (R.CONTROL_CHARACTERS, text_of(reason="\u202eon"), "reason"),
    (R.CONTROL_CHARACTERS, text_of(reason="\u2028"), "reason"),
    (R.OTHER_TARGET, text_of(target_run="ns/other"), "'ns/other'"),
    (R.OTHER_TARGET, text_of(target_run="demo"), TARGET),
    (R.OTHER_TARGET, text_of(target_run=TARGET + " "), TARGET),
    (R.UNKNOWN_INTENT, text_of(intent="delete"), "'delete'"),
    (R.UNKNOWN_INTENT, text_of(intent="NOOP"), "'NOOP'"),
    (R.INTENT_NOT_ALLOWED, text_of(intent="auto_stop_stale"), "allowed here: auto_restart"),
    (R.CONFIDENCE_OUT_OF_RANGE, with_confidence("1.01"), "1.01"),
    (R.CONFIDENCE_OUT_OF_RANGE, with_confidence("-1e-300"), "-1E-300"),
    (R.CONFIDENCE_OUT_OF_RANGE, with_confidence("1.0000000000000000000001"), "0 to 1"),
    (R.CONFIDENCE_OUT_OF_RANGE, with_confidence("2"), "2"),
]


@pytest.mark.parametrize(("reason", "output", "says"), REFUSED, ids=[f"{r}-{i}" for i, (r, _, _) in enumerate(REFUSED)])
def test_refused(reason: RefusalReason, output: str | bytes, says: str) -> None:
    """An invalid answer is rejected for its reason; the message names the fault and is short enough to be stored."""
    said = judge(output if isinstance(output, bytes) else output.encode(), TARGET, ALLOWED)
    assert isinstance(said, Refusal)
    assert said.reason is reason
    assert says in said.message
    assert len(said.message) <= 1024
    assert said.message.isprintable()


def test_every_reason_is_given() -> None:
    """Each reason constant has an output that causes it, and a sentence."""
    assert {reason for reason, _, _ in REFUSED} == set(RefusalReason)
    assert all(reason.sentence.endswith(".") for reason in RefusalReason)


@pytest.mark.parametrize("lexeme", ["0", "1", "1e0", "0.29", "-0.0", "0.99999999999999999999"])
def test_confidence_is_kept_as_it_was_said(lexeme: str) -> None:
    """Any number from 0 to 1 is accepted and never rounded, so almost sure is not sure."""
    said = judge(with_confidence(lexeme).encode(), TARGET, ALLOWED)
    assert isinstance(said, Answer)
    assert said.confidence == Decimal(lexeme)


@pytest.mark.parametrize("around", ["{}", " \n{}\r\n\t", "{}\n"])
@pytest.mark.parametrize("left_out", [{}, {"diagnosis": None, "suggested_answer": None}, {"diagnosis": "", "suggested_answer": ""}])
def test_accepted(around: str, left_out: dict[str, Any]) -> None:
    """Whitespace around an answer is accepted; an optional text may be absent, null or empty, which are equal."""
    said = judge(around.replace("{}", text_of(**left_out)).encode(), TARGET, ALLOWED)
    assert said == Answer(AdvisedIntent.NOOP, "r", Decimal("0.5"), needs_human=False)


def test_texts_are_kept_as_they_are() -> None:
    """Newlines, tabs, umlauts, emoji and texts of the full length are kept unchanged."""
    texts = {"reason": "ä\n\tß 😀", "diagnosis": "x" * 1024, "suggested_answer": 'say "no" {}'}
    said = judge(text_of(**texts).encode(), TARGET, ALLOWED)
    assert isinstance(said, Answer)
    assert {name: getattr(said, name) for name in texts} == texts


@given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_any_bytes_are_judged(output: bytes) -> None:
    """The gate never raises, and every answer that it accepts is one of the allowed ones."""
    said = judge(output, TARGET, ALLOWED)
    assert isinstance(said, Refusal)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*AdvisedIntent, TARGET]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "diagnosis", "suggested_answer", "x"]), VALUES))
def test_any_fields_are_judged(changes: dict[str, Any]) -> None:
    """For any content of the fields, an accepted answer is allowed and refers to the question."""
    output = json.dumps(GOOD | changes).encode()
    said = judge(output, TARGET, ALLOWED)
    if isinstance(said, Answer):
        assert said.intent in ALLOWED
        assert 0 <= said.confidence <= 1
        assert json.loads(output)["target_run"] == TARGET


def test_nothing_is_allowed_where_nothing_is() -> None:
    """A situation that allows no decision has no acceptable answer."""
    said = judge(text_of().encode(), TARGET, ())
    assert isinstance(said, Refusal)
    assert said.reason is RefusalReason.INTENT_NOT_ALLOWED


def test_gate_and_validator_agree() -> None:
    """A fixed part of the fuzz campaign: the gate and an independent validator accept exactly the same answers, and some."""
    tally = run([*hostile(), *outputs(FIXED_COUNT, FIXED_SEED)])
    assert not tally.wrong
    assert tally.accepted > FIXED_COUNT // 10
    assert set(tally.reasons) == {"accepted", *RefusalReason}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_gate_that_lacks_a_check_is_caught(name: str) -> None:
    """Each check is needed: without it the gate differs from the validator on the corpus, or raises."""
    with without(name):
        assert run([*outputs(MUTANT_COUNT, FIXED_SEED), *hostile()], stop_at_first=True).wrong
