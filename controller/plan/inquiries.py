"""The content of what is asked: an escalation for a human, a consultation of the advisor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.advice import AdvisedIntent
from controller.api.escalation import Decision, EscalationType, Proposal, Suggestion
from controller.plan.intents import Intent
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The content of an escalation: a line for the inbox, cause and remedy or the question, and the time at which it expires."""

    name: str
    summary: str
    text: str
    expires_at: datetime | None
    type: EscalationType = EscalationType.BLOCKED
    question: str = ""
    options: tuple[str, ...] = (Decision.RETRY, Decision.STOP, Decision.WAIT)
    proposal: Proposal | None = None
    suggestion: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Consultation:
    """A question to the advisor: the situation, the action that the rules want in it, its reason, and the allowed answers.

    `situation` is the name of the escalation for the situation, whether or not it exists: one consultation each. `question` is the
    agent's own, empty if it asks nothing. `cause` may contain texts of the kubelet and of the agent.
    """

    situation: str
    wanted: Intent
    reason: Reason
    cause: str
    allowed: tuple[AdvisedIntent, ...]
    question: str = ""
    options: tuple[str, ...] = ()
