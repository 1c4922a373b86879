"""Pure: writes an agent's brief: the Run's own, and what has happened since that the agent has not read yet.

The Run's brief comes first and unchanged, so that `rw exec` finds what was added to it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from controller.api.template_values import RESERVED_DIR as RUNWATCHMAN_DIR


class Answered(NamedTuple):
    """An answer that the agent has not read yet."""

    question: str
    answer: str
    by: str


class NotVerified(NamedTuple):
    """A verification that has failed: whose work it judged, by which exit code, and the end of its output."""

    attempt: int
    exit_code: int | None
    output: str


class Settled(NamedTuple):
    """What the agent has not read yet: answers, the ids of dismissed questions, and the failure of its last verification."""

    answers: tuple[Answered, ...] = ()
    dismissed: tuple[str, ...] = ()
    failure: NotVerified | None = None


def brief_of(brief: str, settled: Settled) -> str:
    """Return the Run's brief, followed by the failed verification, the answers and the dismissals since."""
    sections = [_failure(settled.failure)] if settled.failure else []
    sections += [f"## Question {question} was dismissed\n\n{DISMISSED}" for question in settled.dismissed]
    sections += [f"## Answer to question {a.question}{f' by {a.by}' if a.by else ''}\n\n{a.answer}" for a in settled.answers]
    text = "\n\n".join(filter(None, (brief, *sections)))
    return text if len(text.encode()) <= BRIEF_LIMIT else text.encode()[:BRIEF_LIMIT].decode(errors="ignore") + MORE_ANSWERS


DISMISSED = "Nobody will answer it. Go on without an answer. Asking again reaches nobody, and parking for it counts as a restart."
"""Text for the agent about a question that a human has dismissed."""

BRIEF_LIMIT = 192 * 1024
"""Maximum bytes of a brief with its answers; a pod's annotations may have 256 KiB in total."""

MORE_ANSWERS = f"\n\n(cut here: the answers in full are in {RUNWATCHMAN_DIR}/answers)"


def _failure(failure: NotVerified) -> str:
    ended = f"ended with exit code {failure.exit_code}" if failure.exit_code is not None else "did not end in time"
    text = f"## Verification of attempt {failure.attempt} failed\n\nThe command that checks your work {ended}. Correct the work."
    if not failure.output.strip():
        return f"{text} The command has written nothing."
    fence = _fence(failure.output)
    return f"{text} The end of its output:\n\n{fence}\n{failure.output.rstrip()}\n{fence}"


def _fence(text: str) -> str:
    """Return a fence that the text does not contain."""
    return "`" * max(MIN_FENCE, 1 + max(map(len, re.findall("`+", text)), default=0))


MIN_FENCE = 3
"""Backticks around a block in Markdown."""
