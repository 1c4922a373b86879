"""What came of a try to send. `why` is a sentence of ours: never a URL, nor what an endpoint or a library said of one.

It goes into the operator's log. A tenant reads it only where it is about the Secret or the text of the URL: who learns how a
connection failed can scan the operator's network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a try ended, and so whether it may be made again: only where nobody can have got the message."""

    SENT = "sent"
    LATER = "later"
    """Nobody took it: not reached, or told to come again. The only one that is tried again."""
    REFUSED = "refused"
    """The endpoint said no."""
    UNUSABLE = "unusable"
    """There is no Secret, no URL in it, or none that may be used."""
    UNKNOWN = "unknown"
    """The endpoint was reached and did not say whether it took it; a second try could double it."""
    DROPPED = "dropped"
    """Never tried: too many wait, or the operator ends."""


NOT_DELIVERED = "it was not delivered, or not for certain: check the URL, or ask who runs the operator, whose log has the cause"
"""All that a tenant reads of a send that was tried."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended, and why. `open` says that the cause was found without the network, so that everybody may read it."""

    result: Result
    why: str = ""
    hung: bool = False
    open: bool = False

    @property
    def public_reason(self) -> str:
        """The cause as a tenant may read it."""
        return self.why if self.open else NOT_DELIVERED


def unusable(why: str) -> Outcome:
    """Return the outcome for a Secret or a URL that cannot be used as it is written."""
    return Outcome(Result.UNUSABLE, why, open=True)
