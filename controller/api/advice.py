"""What an advisor said of one situation, as the operator's state keeps it: it narrows or explains what the rules want."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.base import ApiEnum, Count, KeptModel, Name, Text, Time, Word


class AdvisedIntent(ApiEnum):
    """What an advisor may say to do; the contract of the operator that this one descends from."""

    NOOP = "noop"
    ESCALATE_GUIDANCE = "escalate_guidance"
    ESCALATE_BLOCKED = "escalate_blocked"
    AUTO_RESTART = "auto_restart"
    AUTO_STOP_STALE = "auto_stop_stale"


class AdviceVerdict(ApiEnum):
    """What became of a consultation. Only an accepted answer counts as advice."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    ABSTAINED = "Abstained"
    UNAVAILABLE = "Unavailable"


class AdviceState(KeptModel):
    """One consultation: what it was about, what came of it, and why."""

    situation: Name = Field(description="The situation: the name of the escalation that it would be or is asked by.")
    verdict: AdviceVerdict = Field(description="Accepted, Refused by the gate, Abstained, or Unavailable.")
    reason: Word = Field(description="Why, as one CamelCase word: the gate's or the adapter's.")
    message: Text = Field(default="", description="Why, for people.")
    intent: AdvisedIntent | None = Field(default=None, description="What the advisor says to do.")
    confidence_percent: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="How sure the advisor says it is; 0 to 100, rounded down."
    )
    needs_human: bool = Field(default=False, description="Whether the advisor wants a human to decide.")
    explanation: Text = Field(default="", description="The advisor's own reason.")
    diagnosis: Text = Field(default="", description="What the advisor thinks is wrong.")
    suggested_answer: Text = Field(default="", description="How the advisor would answer the agent's question.")
    command: Word = Field(default="", description="The registered command that was asked.")
    model: Word = Field(default="", description="The model that answered, where it is known.")
    prompt_digest: Word = Field(default="", description="SHA-256 of what was sent, hex.")
    latency_milliseconds: Count = Field(default=0, description="How long the consultation took.")
    at: Time = Field(description="When it ended.")
