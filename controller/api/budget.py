"""A provider's budgets: what its agents may use in a day, a week or a month, and the count of what they have used."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controller.api.base import MAX_EXACT, MAX_TOKENS, ApiEnum, ApiModel, Count, Name, Text, Time
from controller.api.notification import SecretKey
from controller.api.policy import Responders
from controller.strict.constraints import EXPLAINED, Whole, between_fields

MAX_BUDGETS = 8
"""Budgets of one provider. Each costs a sum in its status, and a look at each report of use."""

MAX_COUNTED = 8192
"""Agents whose counted use the status holds. It stays below half of what the API server stores in one object."""


class BudgetWindow(ApiEnum):
    """The windows of a budget: they begin at midnight, on Mondays, and on the first of a month."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class OnSpent(ApiEnum):
    """The effects of a spent budget. Under each of them no agent starts."""

    ASK = "Ask"
    QUEUE = "Queue"
    STOP = "Stop"


def known_zone(name: str) -> str:
    """Return the name of a time zone. Raises an error that names it if this operator's time zone database has no such zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a name of a folder is an OSError, an unknown one a KeyError
        raise PydanticCustomError(EXPLAINED, "must be an IANA time zone, for example Europe/Berlin") from None
    return name


TimeZone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$", max_length=64), AfterValidator(known_zone)]
Allowance = Annotated[int, Whole(1, MAX_TOKENS)]
Used = Annotated[int, Whole(0, MAX_EXACT)]
"""A sum of tokens or money. Its maximum is far above each budget, so that a sum that has reached it is spent."""

CountedKey = Annotated[str, StringConstraints(min_length=1, max_length=161)]
CountedNumbers = Annotated[tuple[Used, ...], Field(min_length=5, max_length=5)]

LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]


class RunSelector(ApiModel):
    """Selects Runs by their labels; without labels it selects all Runs."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, max_length=16, description="Labels that a Run must have, with their values."
    )


class Budget(ApiModel):
    """The most that the agents of a provider may use in a window. At least one of tokens and costMicroUSD is set."""

    name: Name = Field(description="Name of the budget, unique in its provider.")
    window: BudgetWindow = Field(description="Day, Week (from Monday) or Month of the calendar in timeZone.")
    time_zone: TimeZone = Field(default="Etc/UTC", description="IANA time zone of the window, for example Europe/Berlin.")
    tokens: Allowance | None = Field(
        default=None, description="Tokens, input and output, that the agents may use in a window; 1 to 1000000000000."
    )
    cost_micro_usd: Allowance | None = Field(
        default=None,
        alias="costMicroUSD",
        description="Millionths of a US dollar that the agents may cost in a window, as they report it; 1 to 1000000000000.",
    )
    warn_percent: Annotated[int, Whole(1, 100)] = Field(
        default=80, description="Percent of the budget at which people are warned; 1 to 100."
    )
    on_spent: OnSpent = Field(
        default=OnSpent.ASK,
        description="When the budget is spent, no agent starts until the window ends. Ask: an escalation asks for more. "
        "Queue: nothing else. Stop: running agents are ended gracefully, too.",
    )
    extra_tokens: Allowance | None = Field(
        default=None, description="Tokens that an approval adds until the window ends; default: tokens."
    )
    extra_cost_micro_usd: Allowance | None = Field(
        default=None,
        alias="extraCostMicroUSD",
        description="Millionths of a US dollar that an approval adds until the window ends; default: costMicroUSD.",
    )
    selector: RunSelector | None = Field(default=None, description="The Runs that count; not set: all Runs of the provider.")
    responders: Responders | None = Field(
        default=None, description="Users who may approve more; not set: everybody whom RBAC permits to answer escalations."
    )

    @model_validator(mode="after")
    def _limited(self) -> Budget:
        """Refuse a budget without a limit, as the CRD does."""
        if self.tokens is None and self.cost_micro_usd is None:
            raise between_fields("set at least one of tokens and costMicroUSD", "tokens", "costMicroUSD")
        return self


class ProviderNotification(ApiModel):
    """A target of a provider's notifications."""

    secret_name: Name = Field(description="Secret in the provider's namespace whose key holds the URL.")
    secret_key: SecretKey = Field(default="url", description="Key in the Secret.")


class AskedExtra(ApiModel):
    """A question for more, as it was asked: an answer adds these amounts, whatever the budget says by then."""

    escalation: Name = Field(description="The Escalation.")
    tokens: Used = Field(default=0, description="Tokens that an approval adds.")
    cost_micro_usd: Used = Field(default=0, alias="costMicroUSD", description="Millionths of a US dollar that it adds.")
    at: Time = Field(description="When it was asked.")


class WindowStatus(ApiModel):
    """The use of one budget in the current window."""

    budget: Name = Field(description="The budget.")
    start: Time = Field(description="When the window began.")
    end: Time = Field(description="When it ends.")
    tokens: Used = Field(default=0, description="Tokens used since start.")
    cost_micro_usd: Used = Field(default=0, alias="costMicroUSD", description="Cost since start in millionths of a US dollar.")
    extra_tokens: Used = Field(default=0, description="Tokens that approvals have added to the budget.")
    extra_cost_micro_usd: Used = Field(
        default=0, alias="extraCostMicroUSD", description="Millionths of a US dollar that approvals have added."
    )
    warned_at: Time | None = Field(default=None, description="When people were warned.")
    spent_at: Time | None = Field(default=None, description="Since when it is spent.")
    asks: Count = Field(default=0, description="Questions for more in this window.")
    asked: AskedExtra | None = Field(default=None, description="The question that is open.")
    denied_by: Text | None = Field(default=None, description="User who denied more: starts wait until the window ends.")


class CountedUse(ApiModel):
    """The use that the sums of the windows contain, so that an operator that takes over counts nothing twice."""

    at: Time = Field(description="When it was counted.")
    agents: dict[CountedKey, CountedNumbers] = Field(
        default_factory=dict,
        max_length=MAX_COUNTED,
        description="By UID of the Run and agent, as UID/agent: attempt, tokens and cost of earlier attempts, tokens and cost of"
        " this attempt. Finished Runs leave it after ten minutes.",
    )
