"""Quantities such as 10Gi and 500m, as numbers that can be compared."""

from __future__ import annotations

from decimal import Decimal

from controller.api.base import Quantity

DECIMAL_STEP, BINARY_STEP = Decimal(1000), Decimal(1024)
SUFFIXES = {
    "m": 1 / DECIMAL_STEP,
    "k": DECIMAL_STEP,
    **{letter: DECIMAL_STEP**power for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": BINARY_STEP**power for power, letter in enumerate("KMGTPE", start=1)},
}
"""Suffix of a quantity -> its factor."""


def amount(quantity: Quantity) -> Decimal:
    """Return the numeric value of a quantity."""
    number = quantity.rstrip("".join(SUFFIXES))
    return Decimal(number) * SUFFIXES.get(quantity[len(number) :], Decimal(1))
