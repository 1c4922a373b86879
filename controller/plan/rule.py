"""A rule as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Check = TypeVar("Check", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Rule(Generic[Check]):
    """One rule of an ordered list; the first whose check returns something decides."""

    id: str
    """The rule's name in digests, the ledger and `kubectl rw explain`. It is part of the API and never changes."""
    summary: str
    """One sentence for users: `kubectl rw explain` prints it."""
    check: Check
    """A pure function; it returns None where the rule does not apply."""
