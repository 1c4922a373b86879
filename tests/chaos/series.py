"""The results of the waves of one campaign, for any kind of fault in the operators, and their report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

import click

from tests.chaos.wave import Result, Wave, compare


@dataclass(slots=True, kw_only=True)
class Series:
    """Waves under the same kind of fault, and their failures."""

    waves: list[Result] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether there was no failure."""
        return not self.faults

    def take(self, name: str, result: Result, calm: Result, faults: Sequence[str] = ()) -> list[str]:
        """Record a wave; return its failures, together with the `faults` of the fault injector, labelled with the wave's name."""
        found = [f"{name}: {text}" for text in [*faults, *result.violations, *compare(calm.ends, result.ends)]]
        self.waves.append(result)
        self.faults += found
        return found


@dataclass(frozen=True, slots=True)
class Sum:
    """The sums over the waves of some series, as in the tables."""

    waves: int
    runs: int
    started: int
    charged: int
    verdict: str


def sum_of(series: Sequence[Series]) -> Sum:
    """Compute the sums; the verdict is `none` or the number of faults."""
    waves = [wave for each in series for wave in each.waves]
    faults = sum(len(each.faults) for each in series)
    started, charged = sum(wave.started for wave in waves), sum(wave.charged for wave in waves)
    return Sum(len(waves), sum(len(wave.ends) for wave in waves), started, charged, str(faults or "none"))


def under_fire(wave: Wave, strike: Callable[[threading.Event], None], calm: Result | None) -> Result:
    """Run a wave while a fault injector works, which is stopped by its event when the wave is over."""
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        striking = pool.submit(strike, over)
        try:
            result = wave.run(calm.ends if calm else None)
        finally:
            over.set()
        striking.result()
    return result


def teller() -> Callable[[str], None]:
    """Return a function that prints lines of progress, with the seconds since now."""
    started = monotonic()
    return lambda line: click.echo(f"[{monotonic() - started:5.0f} s] {line}", err=True)
