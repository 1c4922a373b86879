"""The part of a RunPolicy that says who is notified of what."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from controller.api.base import ApiEnum, ApiModel, Name
from controller.strict.constraints import Explained

SecretKey = Annotated[
    str,
    StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=128),
    Explained("must be the name of a key in a Secret: 1 to 128 letters, digits, -, _ and ."),
]


class NotificationEvent(ApiEnum):
    """Events that people can be notified of."""

    ESCALATION_OPENED = "EscalationOpened"
    RUN_FINISHED = "RunFinished"


class ProviderEvent(ApiEnum):
    """Events of a provider that people are notified of, besides an escalation."""

    BUDGET_WARNED = "BudgetWarned"


class Notification(ApiModel):
    """A target of notifications."""

    secret_name: Name = Field(description="Secret in the policy's namespace whose key holds the URL.")
    secret_key: SecretKey = Field(default="url", description="Key in the Secret.")
    events: tuple[NotificationEvent, ...] = Field(
        default=(NotificationEvent.ESCALATION_OPENED, NotificationEvent.RUN_FINISHED),
        max_length=2,
        description="Events that are sent; both when not set.",
    )
