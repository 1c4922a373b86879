"""The amount of work of the two tenants."""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """See the options of `tests.bench.neighbours`."""

    factor: int
    stories: int
    side_by_side: int
    rate: float
    places: int = 3
    patience: float = PATIENCE_SECONDS

    @property
    def crowd(self) -> int:
        """The number of the noisy tenant's working Runs."""
        return self.factor * self.side_by_side
