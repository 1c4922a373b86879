"""Colours of the output. A colour never carries information that the word does not."""

from __future__ import annotations

PHASES = {
    "Completed": "green",
    "Failed": "red",
    "Blocked": "yellow",
    "AwaitingGuidance": "yellow",
    "AwaitingApproval": "yellow",
    "Running": "cyan",
    "Paused": "magenta",
    "Halted": "magenta",
}
HEALTHS = {
    "Healthy": "green",
    "Complete": "green",
    "Dead": "red",
    "Unreachable": "red",
    "Starting": "cyan",
    "Queued": "dim",
}
NEEDY = frozenset({"Blocked", "Failed", "AwaitingGuidance", "AwaitingApproval"})
"""Phases that need attention."""

DIM, LOUD = "dim", "yellow"


def phase(word: str) -> tuple[str, str]:
    """Return a Run's phase with its colour."""
    return word, PHASES.get(word, "")


def health(word: str) -> tuple[str, str]:
    """Return an agent's health with its colour; one that is neither good nor starting is highlighted."""
    return word, HEALTHS.get(word, "yellow")


def inbox(count: int) -> tuple[str, str]:
    """Return the number of open escalations, highlighted unless it is zero."""
    return str(count), LOUD if count else DIM
