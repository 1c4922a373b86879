"""An advisor's answer about one situation, as the operator's state records it. Advice narrows or explains what the rules decide."""

from __future__ import annotations

from operator import not_
from typing import Annotated

from pydantic import Field

from controller.api.base import ApiEnum, Count, KeptModel, Name, Text, Time, Word
from controller.strict.constraints import Whole


class AdvisedIntent(ApiEnum):
    """The intents that an advisor may answer with. They are the contract of the operator that runwatchman descends from."""

    NOOP = "noop"
    ESCALATE_GUIDANCE = "escalate_guidance"
    ESCALATE_BLOCKED = "escalate_blocked"
    AUTO_RESTART = "auto_restart"
    AUTO_STOP_STALE = "auto_stop_stale"


class AdviceVerdict(ApiEnum):
    """The result of a consultation. Only an accepted answer counts as advice."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    ABSTAINED = "Abstained"
    UNAVAILABLE = "Unavailable"


class AdviceState(KeptModel):
    """One consultation: its situation, its result and the reason."""

    situation: Name = Field(description="The situation: the name of the escalation that asks about it or would ask.")
    verdict: AdviceVerdict = Field(description="Accepted, Refused by the gate, Abstained, or Unavailable.")
    reason: Word = Field(description="The gate's or the adapter's reason, as one CamelCase word.")
    message: Text = Field(default="", exclude_if=not_, description="The reason, for people.")
    intent: AdvisedIntent | None = Field(default=None, description="The intent that the advisor answered.")
    confidence_percent: Annotated[int, Whole(0, 100)] | None = Field(
        default=None, description="The advisor's confidence in percent; 0 to 100, rounded down."
    )
    needs_human: bool = Field(default=False, exclude_if=not_, description="Whether the advisor wants a human to decide.")
    explanation: Text = Field(default="", exclude_if=not_, description="The advisor's own reason.")
    diagnosis: Text = Field(default="", exclude_if=not_, description="The fault that the advisor suspects.")
    suggested_answer: Text = Field(default="", exclude_if=not_, description="The advisor's answer to the agent's question.")
    command: Word = Field(default="", exclude_if=not_, description="The registered command that was consulted.")
    model: Word = Field(default="", exclude_if=not_, description="The model that answered, if known.")
    prompt_digest: Word = Field(default="", exclude_if=not_, description="SHA-256 of the prompt, hex.")
    latency_milliseconds: Count = Field(default=0, exclude_if=not_, description="How long the consultation took.")
    at: Time = Field(description="When the consultation ended.")
