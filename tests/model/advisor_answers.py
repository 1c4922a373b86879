"""The possible answers of the model's advisor, as the gate passes them on, and their form in a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.plan.snapshot import ConsultationFacts
from tests.model.world import Said

PENDING = ""


class Answer(NamedTuple):
    """A possible answer of the advisor, as the gate passes it on; `leave` is whether it permits a restart."""

    verdict: AdviceVerdict
    intent: AdvisedIntent | None = None
    percent: int | None = None
    human: bool = False


ACCEPTED = AdviceVerdict.ACCEPTED
ANSWERS = {
    "agrees": Answer(ACCEPTED, AdvisedIntent.AUTO_RESTART, 60),
    "agrees, unsure": Answer(ACCEPTED, AdvisedIntent.AUTO_RESTART, 59),
    "agrees, wants a human": Answer(ACCEPTED, AdvisedIntent.AUTO_RESTART, 100, human=True),
    "says noop": Answer(ACCEPTED, AdvisedIntent.NOOP, 100),
    "says stop": Answer(ACCEPTED, AdvisedIntent.AUTO_STOP_STALE, 100),
    "abstains": Answer(AdviceVerdict.ABSTAINED),
    "is refused": Answer(AdviceVerdict.REFUSED),
    "is unavailable": Answer(AdviceVerdict.UNAVAILABLE),
}
NO_ANSWER = ("is unavailable",)
"""The case that onFailure decides. An answer that the gate rejected belongs to it, and permits nothing."""

AT = datetime(2026, 1, 1, tzinfo=UTC)


def heard(said: Said) -> ConsultationFacts:
    """Return the record of a consultation in a snapshot."""
    return ConsultationFacts(said.agent, said.situation, _advice(said) if said.answer != PENDING else None)


def _advice(said: Said) -> AdviceState:
    answer = ANSWERS[said.answer]
    fields: dict[str, Any] = {"intent": answer.intent, "confidence_percent": answer.percent, "needs_human": answer.human}
    return AdviceState(situation=said.situation, verdict=answer.verdict, reason="x", at=AT, **fields)
