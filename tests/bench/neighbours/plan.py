"""How much each of the two tenants does."""

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
        """How many Runs the noisy tenant has at work."""
        return self.factor * self.side_by_side
