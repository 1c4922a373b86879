"""Random numbers that depend only on a seed, a Run and a place in the simulation.

There is no hidden state: the number at a place does not depend on what was drawn before. Two policies therefore meet the same
crashes and the same answers for as long as they act alike (common random numbers), and every machine draws the same numbers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import TypeVar

BYTES = 8
SHIFT = 12
"""Bits of the hash that a number leaves out: 52 bits and a half are exact in a float, and never 0 or 1."""
SCALE = 2.0**-52

T = TypeVar("T")


class Draws:
    """The random numbers of one Run."""

    def __init__(self, seed: int, run: int) -> None:
        self._start = hashlib.blake2b(f"{seed},{run},".encode(), digest_size=BYTES)

    def uniform(self, *key: str | int) -> float:
        """Return the number at a place, within (0, 1)."""
        state = self._start.copy()
        state.update(repr(key).encode())
        return ((int.from_bytes(state.digest(), "big") >> SHIFT) + 0.5) * SCALE

    def gap(self, per_hour: float, *key: str | int) -> float:
        """Return the seconds until the next of events that come at random `per_hour` times an hour; infinite for none."""
        return round(-math.log(self.uniform(*key)) * 3600 / per_hour, 3) if per_hour > 0 else math.inf

    def chance(self, share: float, *key: str | int) -> bool:
        """Whether something happens that happens in this share of the cases."""
        return self.uniform(*key) < share


def pick(choices: Iterable[tuple[float, T]], u: float) -> tuple[T, float]:
    """Return the choice at `u` of weighted ones, and where `u` lies within it, 0 to 1. The weights' sum must not be 0."""
    weighted = [(weight, choice) for weight, choice in choices if weight > 0]
    left = u * math.fsum(weight for weight, _ in weighted)
    for weight, choice in weighted[:-1]:
        if left < weight:
            return choice, left / weight
        left -= weight
    weight, choice = weighted[-1]
    return choice, min(max(left / weight, 0.0), 1.0)
