"""The record of a consultation, by how it ended and by its answer."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from controller.adapter.contract import Ended, Reply, Request
from controller.advisor.advice_record import VERDICTS, advice_of
from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.base import MAX_COUNT, dump, parse
from controller.api.redaction import REDACTED
from controller.plan.inquiries import Consultation
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from tests.secrets import SECRETS

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
REQUEST = Request("codex", "asked-for", 30, 400, "team", "run-1", {}, "the prompt", {})
MATTER = Consultation("demo-coder-1", Intent.AUTO_RESTART, Reason.EXITED_NONZERO, "", (AdvisedIntent.NOOP,))
GOOD = {"intent": "noop", "target_run": "ns/demo", "reason": "wait", "confidence": 0.29, "needs_human": True, "diagnosis": "disk"}


def record_of(reply: Reply) -> AdviceState:
    return advice_of(reply, REQUEST, MATTER, "ns/demo", AT)


@pytest.mark.parametrize("ended", [ended for ended in Ended if ended is not Ended.ANSWERED])
def test_what_ended_without_an_answer(ended: Ended) -> None:
    """Every end without an answer has its verdict and reason, and records no advice, for any output."""
    record = record_of(Reply(ended, output=json.dumps(GOOD).encode(), detail="exit code 3"))
    assert (record.verdict, record.reason, record.message) == (VERDICTS[ended], ended.value, "exit code 3")
    assert record.verdict is not AdviceVerdict.ACCEPTED
    assert (record.intent, record.confidence_percent, record.explanation) == (None, None, "")


def test_only_an_abstention_abstains() -> None:
    """Abstained and an output that is too long are the command's own doing; every other end means that the advisor is
    unavailable.
    """
    own = {Ended.ABSTAINED: AdviceVerdict.ABSTAINED, Ended.TOO_LONG: AdviceVerdict.REFUSED}
    assert own == {ended: verdict for ended, verdict in VERDICTS.items() if verdict is not AdviceVerdict.UNAVAILABLE}


def test_an_accepted_answer_is_kept() -> None:
    """The whole answer is recorded, with the request, the author and the duration; the percentage is not computed as a double."""
    record = record_of(Reply(Ended.ANSWERED, json.dumps(GOOD).encode(), model="gpt", latency_seconds=1.25))
    assert record == AdviceState(
        situation="demo-coder-1",
        verdict=AdviceVerdict.ACCEPTED,
        reason="Accepted",
        intent=AdvisedIntent.NOOP,
        confidence_percent=29,
        needs_human=True,
        explanation="wait",
        diagnosis="disk",
        command="codex",
        model="gpt",
        prompt_digest=hashlib.sha256(b"the prompt").hexdigest(),
        latency_milliseconds=1250,
        at=AT,
    )


@pytest.mark.parametrize("confidence", [0.999, 0.9999999999999999])
def test_almost_sure_is_not_sure(confidence: float) -> None:
    """A percentage is rounded down."""
    assert record_of(Reply(Ended.ANSWERED, json.dumps(GOOD | {"confidence": confidence}).encode())).confidence_percent == 99


def test_a_refused_answer_counts_for_nothing() -> None:
    """The gate's reason and message are recorded, and no part of the answer."""
    record = record_of(Reply(Ended.ANSWERED, json.dumps(GOOD | {"intent": "auto_restart"}).encode()))
    assert (record.verdict, record.reason) == (AdviceVerdict.REFUSED, "IntentNotAllowed")
    assert "auto_restart" in record.message
    assert (record.intent, record.diagnosis, record.needs_human) == (None, "", False)


def test_no_secret_goes_on_record() -> None:
    """A credential that a model or a command repeats does not get into the status."""
    said = json.dumps(GOOD | {"reason": SECRETS["github"], "suggested_answer": SECRETS["anthropic"]}).encode()
    record = record_of(Reply(Ended.ANSWERED, said))
    assert (record.explanation, record.suggested_answer) == (REDACTED, REDACTED)
    assert SECRETS["openai"] not in record_of(Reply(Ended.FAILED, detail=SECRETS["openai"])).message


def test_what_is_too_long_is_cut_to_what_the_api_takes() -> None:
    """The longest texts and an absurd latency give a record that the API server accepts."""
    long = "ab " * 2000
    record = record_of(Reply(Ended.FAILED, detail=long, model=long, latency_seconds=1e12))
    assert record.message.endswith("…")
    assert record.latency_milliseconds == MAX_COUNT
    assert parse(AdviceState, dump(record)) == record
    # Redaction may lengthen a text that already has the full length.
    full = ("password=a\n" * 100)[:1024]
    answered = record_of(Reply(Ended.ANSWERED, json.dumps(GOOD | {"diagnosis": full}).encode()))
    assert parse(AdviceState, dump(answered)) == answered
