"""Pure: one escalation as a card: the question, the possible answers, who may answer and until when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.cli.rw.inbox_view import SOON_SECONDS, responders, subject_of
from controller.cli.rw.next_steps import effect
from controller.cli.rw.objects import JsonObject, created, name_of, namespace_of, responders_of, time_of, waits
from controller.cli.rw.responses import NOBODY_YET, VERBS, became


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: its decision, the number of the option it stands for (from 1), and its effect."""

    decision: str
    label: str
    effect: str = ""
    option: int | None = None
    suggested: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """All that a page shows of an escalation. `run` is empty for one about a provider's budget, its `subject`."""

    namespace: str
    name: str
    kind: str
    run: str
    subject: str
    agent: str
    summary: str
    text: str
    asked: datetime | None
    expires: datetime | None
    soon: bool
    may_answer: str
    mine: bool
    nobody: str
    result: str
    proposal: str
    suggestion: str
    advisor: str
    choices: tuple[Choice, ...]
    free_text: bool
    uid: str

    @property
    def answerable(self) -> bool:
        """Whether somebody may answer it now."""
        return not self.nobody and not self.result


def card(escalation: JsonObject, run: JsonObject | None, me: Collection[str], now: datetime) -> Card:
    """Return an escalation's card; `run` is its Run if it was read."""
    spec = escalation["spec"]
    expires, open_ = time_of(spec.get("expiresAt")), waits(escalation)
    proposal, advice = spec.get("proposal") or {}, spec.get("suggestion") or {}
    words = responders(escalation, me)
    return Card(
        namespace=namespace_of(escalation),
        name=name_of(escalation),
        kind=spec["type"],
        run="" if spec["type"] == "Budget" else spec["runName"],
        subject=subject_of(spec),
        agent=spec.get("agent") or "",
        summary=spec["summary"],
        text=spec.get("text") or spec["summary"],
        asked=created(escalation),
        expires=expires,
        soon=expires is not None and expires - now < timedelta(seconds=SOON_SECONDS),
        may_answer=responders(escalation),
        mine=words in ("you", "anybody"),
        nobody=NOBODY_YET if open_ and responders_of(escalation) is None else "",
        result="" if open_ else became(escalation),
        proposal=f"{proposal['action']}: {proposal.get('text', '')}".removesuffix(": ") if proposal else "",
        suggestion=advice.get("text", ""),
        advisor=advice.get("advisor", ""),
        choices=tuple(_choices(escalation, run)) if open_ else (),
        free_text=spec["type"] == "Question",
        uid=escalation["metadata"].get("uid", ""),
    )


def _choices(escalation: JsonObject, run: JsonObject | None) -> list[Choice]:
    spec = escalation["spec"]
    if spec["type"] == "Question":
        suggested = (spec.get("suggestion") or {}).get("text")
        options = enumerate(spec.get("options", ()), 1)
        return [Choice("answer", text, option=number, suggested=text == suggested) for number, text in options]
    useful = spec.get("options") if spec["type"] == "Blocked" else None
    verbs = [(verb, does) for verb, does in VERBS.get(spec["type"], ()) if not useful or does in useful]
    return [Choice(verb, does, effect(verb, run, escalation)) for verb, does in verbs]
