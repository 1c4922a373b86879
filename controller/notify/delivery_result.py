"""The outcome of a send. `why` is the operator's own text, never a URL or a message of an endpoint or library.

It goes to the operator's log. Tenants read it only if it is about the Secret or the URL's text. Details of failed connections would
let them scan the operator's network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The result of a send. A send is retried only if nobody can have received the message."""

    SENT = "sent"
    LATER = "later"
    """Not delivered: the endpoint was not reached, or asked to retry later. The only result that is retried."""
    REFUSED = "refused"
    """The endpoint refused the message."""
    UNUSABLE = "unusable"
    """The Secret is missing, or has no URL that may be used."""
    UNKNOWN = "unknown"
    """The endpoint was reached and did not confirm the message. A retry could duplicate it."""
    DROPPED = "dropped"
    """Not attempted: too many messages are queued, or the operator is shutting down."""


NOT_DELIVERED = "it was not delivered, or that is uncertain: check the URL, or ask the operator's administrator to read its log"
"""The only text that a tenant reads about an attempted send."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a send and its reason. With `open` the cause was found without the network, so tenants may read it."""

    result: Result
    why: str = ""
    hung: bool = False
    open: bool = False

    @property
    def public_reason(self) -> str:
        """The reason for tenants."""
        return self.why if self.open else NOT_DELIVERED


def unusable(why: str) -> Outcome:
    """Return the outcome for an invalid Secret or URL."""
    return Outcome(Result.UNUSABLE, why, open=True)
