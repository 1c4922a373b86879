"""Pure: the tokens of a Run over time, as far as the page has seen them: few samples of each Run, and the line that they make."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from controller.cli.rw.text import span

MOST_SAMPLES = 120
"""Maximum samples of a Run. Beyond them, the one whose neighbours are nearest in time is left out."""

MOST_RUNS = 200
"""Maximum Runs of a caller with samples, those that were shown last: 4 MiB, however many Runs there are."""

FEWEST = 2
"""Samples of which a line can be drawn."""

HOUR = timedelta(hours=1)
WIDTH, HEIGHT, MARGIN = 1000, 100, 4
"""The line's box, and its distance from the upper and the lower edge."""

Key = tuple[str, str, str]
"""Namespace, name and UID of a Run."""


class Sample(NamedTuple):
    """The tokens that a Run had used at a time."""

    at: datetime
    tokens: int


class UsageLine(NamedTuple):
    """A line for SVG's `points`, since when it goes, and its words."""

    points: str
    since: datetime
    words: str


class UsageSamples:
    """The samples of the Runs that were shown last."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Key, list[Sample]] = OrderedDict()

    def add(self, key: Key, sample: Sample) -> tuple[Sample, ...]:
        """Keep a sample if the Run has used more than before, and return those of the Run, the oldest first.

        Usage only rises. A lower sum is one in which the report of an attempt is missing.
        """
        found = self._runs.setdefault(key, [])
        self._runs.move_to_end(key)
        if not found or (sample.tokens > found[-1].tokens and sample.at > found[-1].at):
            found[:] = thinned([*found, sample])
        while len(self._runs) > MOST_RUNS:
            self._runs.popitem(last=False)
        return tuple(found)


def thinned(samples: Sequence[Sample], most: int = MOST_SAMPLES) -> list[Sample]:
    """Return at most some samples, with the first and the last, spread over the time."""
    kept = list(samples)
    while len(kept) > max(most, FEWEST):
        del kept[min(range(1, len(kept) - 1), key=lambda at: kept[at + 1].at - kept[at - 1].at)]
    return kept


def usage_line(samples: Sequence[Sample], until: datetime) -> UsageLine | None:
    """Return the line of some samples until a time; None if there are too few."""
    if len(samples) < FEWEST:
        return None
    since = samples[0].at
    return UsageLine(_points(samples, max(until, samples[-1].at)), since, _words(samples, max(until, samples[-1].at)))


def _points(samples: Sequence[Sample], until: datetime) -> str:
    """Return a step at each sample: between two, the page has seen no use."""
    first, last = samples[0], samples[-1]
    whole, rise = max((until - first.at).total_seconds(), 1.0), last.tokens - first.tokens
    found, level = list[str](), ""
    for sample in samples:
        x = round((sample.at - first.at).total_seconds() / whole * WIDTH)
        y = HEIGHT - MARGIN - round((sample.tokens - first.tokens) / rise * (HEIGHT - 2 * MARGIN))
        found += [f"{x},{level}"] * bool(level) + [f"{x},{y}"]
        level = str(y)
    return " ".join([*found, f"{WIDTH},{level}"])


def _words(samples: Sequence[Sample], until: datetime) -> str:
    """Return the use of the last hour; of a shorter time, with what it would be in an hour."""
    begin = max(until - HOUR, samples[0].at)
    before = [sample.tokens for sample in samples if sample.at <= begin][-1]
    used, seconds = samples[-1].tokens - before, (until - begin).total_seconds()
    if until - begin >= HOUR:
        return f"{used:,} tokens in the last hour"
    return f"{used:,} tokens in {span(until - begin)}: {round(used * HOUR.total_seconds() / max(seconds, 1.0)):,} an hour"
