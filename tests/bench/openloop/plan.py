"""The sizes of the open loop, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.openloop.kinds import DEFAULT_KINDS

PATIENCE_SECONDS, PATIENCE_SECONDS_EACH = 120.0, 0.5
FIRST_RATE = {"api": 8.0, "kind": 1.0}
NODES = {"api": "simulated nodes (kwok)", "kind": "a real kubelet"}


@dataclass(frozen=True, slots=True)
class Plan:
    """See the options of `tests.bench.openloop`."""

    seconds: float = 60.0
    window_seconds: float = 10.0
    ramp_seconds: float = 15.0
    rounds: int = 3
    seed: int = 1
    kinds: tuple[str, ...] = DEFAULT_KINDS
    first_rate: float = FIRST_RATE["api"]
    warm_up: int = 10
    """Objects before the measured ones, at the same rate, so that one-time work is not counted."""


def patience(count: int) -> float:
    """Return the seconds after which the start or the end of this many objects has failed."""
    return PATIENCE_SECONDS + PATIENCE_SECONDS_EACH * count
