"""What came of a try to send. `why` is a sentence of ours: never a URL, nor what an endpoint or a library said of one."""

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended, and why."""

    result: Result
    why: str = ""
    hung: bool = False
