"""The part of a RunPolicy about the advisor: mode, command, limits, failures and approvals."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from controller.api.base import (
    MAX_WORD,
    ApiEnum,
    ApiModel,
    Seconds,
)
from controller.strict.constraints import Explained, Whole, between_fields

_TRIMMED = StringConstraints(pattern=r"^(\S(.*\S)?)?$", max_length=MAX_WORD)
_RULE = f"at most {MAX_WORD} characters, without a space at its start or end"
Command = Annotated[str, _TRIMMED, Explained(f"must be the name of a registered command such as codex: {_RULE}")]
Model = Annotated[str, _TRIMMED, Explained(f"must be the name of a model: {_RULE}")]


class LLMMode(ApiEnum):
    """The advisor's authority."""

    OFF = "Off"
    ASSIST = "Assist"
    AUTO = "Auto"


class OnLLMFailure(ApiEnum):
    """The fallback when the advisor is unavailable."""

    RULES = "Rules"
    ESCALATE = "Escalate"


class Approvable(ApiEnum):
    """Actions that may need a human's approval in mode Assist."""

    RESTART = "Restart"
    STOP_STALE = "StopStale"


class OnTimeout(ApiEnum):
    """The effect of an approval that is not given in time."""

    PROCEED = "Proceed"
    HOLD = "Hold"


class ApprovalTimeouts(ApiModel):
    """The effect, per action, of an approval that is not given in time."""

    restart: OnTimeout = Field(default=OnTimeout.PROCEED, description="For restarts.")
    stop_stale: OnTimeout = Field(default=OnTimeout.HOLD, description="For stopping stale Runs.")


class LLM(ApiModel):
    """The advisor: it may narrow or explain what the rules decide, never widen it."""

    mode: LLMMode | None = Field(
        default=None,
        description="Off, Assist (a human decides on its advice) or Auto; if not set, the mode of the operator's policy file, else "
        "Assist.",
    )
    command: Command = Field(default="codex", description="Name of a command that the installer registered; empty only with Off.")
    model: Model = Field(default="", description="Model to request of the command; the command's default when empty.")
    timeout_seconds: Seconds = Field(
        default=30, description="Seconds that one consultation may take; 1 to 31536000, usually 10 to 300."
    )
    max_tokens: Annotated[int, Whole(1, 1_000_000)] = Field(
        default=400, description="Tokens that one answer may have; 1 to 1000000, usually 200 to 2000."
    )
    require_approval: tuple[Approvable, ...] = Field(
        default=(Approvable.RESTART, Approvable.STOP_STALE),
        max_length=2,
        description="Actions that need a human's approval in mode Assist; both when not set.",
    )
    on_approval_timeout: ApprovalTimeouts = Field(
        default=ApprovalTimeouts(), description="The effect of an approval that is not given in time."
    )
    on_failure: OnLLMFailure = Field(
        default=OnLLMFailure.RULES,
        description="If the advisor gives no answer, Rules continues without advice and Escalate asks a human.",
    )
    min_confidence_percent: Annotated[int, Whole(0, 100)] = Field(
        default=60,
        description="Confidence in percent below which advice is ignored in mode Auto; 0 to 100.",
    )

    @model_validator(mode="after")
    def _has_command(self) -> Self:
        if not self.command and self.mode is not LLMMode.OFF:
            raise between_fields(
                "may be empty only where mode is Off: name a registered command such as codex", "mode", at="command"
            )
        return self
