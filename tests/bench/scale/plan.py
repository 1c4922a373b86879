"""The sizes of a campaign at scale."""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE_SECONDS, PATIENCE_SECONDS_EACH = 600.0, 0.5
PHASES = ("restart", "idle", "events", "reports", "storm")


@dataclass(frozen=True, slots=True)
class Plan:
    """See the options of `tests.bench.scale`."""

    runs: int
    rate: float
    deaths: float
    seconds: float
    storms: int
    reports: int
    copied: int = 0
    dying: int = 10_000
    phases: tuple[str, ...] = PHASES
    report_interval_seconds: int = 60
    settling_seconds: float = 5.0
    """Longer than the delay of a status."""

    @property
    def patience(self) -> float:
        """Seconds after which an awaited condition of all Runs has failed."""
        return PATIENCE_SECONDS + PATIENCE_SECONDS_EACH * self.runs
