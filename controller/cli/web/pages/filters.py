"""Pure: how templates print values: untrusted text made safe, moments, spans and tones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from controller.cli.rw import styles
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.text import age, span, until

MAX_SHOWN = 20_000
"""Maximum characters of one text on a page: more than the longest field of the API."""

TONES = {"green": "good", "red": "bad", "yellow": "needs", "cyan": "busy", "magenta": "held"}
"""CSS classes for the colours of the terminal. A tone never carries information that the word does not."""


def safe(value: object) -> object:
    """Return a text with control and bidirectional characters replaced, and its excess cut; other values as they are.

    Jinja's autoescape does the rest: markup in it is text. A subclass of str is markup of a template's own.
    """
    if type(value) is not str:
        return value
    return clean(value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…")


def iso(moment: datetime) -> str:
    """Return a moment for `<time datetime>`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(moment: datetime) -> str:
    """Return a moment for people. The browser shows it in its own zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def phase_tone(phase: str) -> str:
    """Return the CSS class of a phase."""
    return TONES.get(styles.phase(phase)[1], "quiet")


def health_tone(health: str) -> str:
    """Return the CSS class of a health."""
    return TONES.get(styles.health(health)[1], "quiet")


def number(value: int) -> str:
    """Return a number with separators."""
    return f"{value:,}"


FILTERS: dict[str, Callable[..., Any]] = {
    "iso": iso,
    "utc": utc,
    "age": age,
    "until": until,
    "span": span,
    "phase_tone": phase_tone,
    "health_tone": health_tone,
    "number": number,
}
"""The filters that the templates use."""
