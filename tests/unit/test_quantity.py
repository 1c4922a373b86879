"""Quantities as numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from controller.api.quantity import amount

AMOUNTS = {
    "0": Decimal(0),
    "1.5": Decimal("1.5"),
    "500m": Decimal("0.5"),
    "2k": Decimal(2000),
    "5G": Decimal(5 * 10**9),
    "5Gi": Decimal(5 * 2**30),
    "0.5Ti": Decimal(2**39),
    "1Ei": Decimal(2**60),
    "1E": Decimal(10**18),
}


@pytest.mark.parametrize("quantity", AMOUNTS)
def test_an_amount_is_what_the_suffix_makes_of_the_number(quantity: str) -> None:
    """Decimal and binary suffixes multiply by powers of 1000 and of 1024, m divides by 1000."""
    assert amount(quantity) == AMOUNTS[quantity]


def test_larger_quantities_are_larger() -> None:
    """Quantities of different suffixes compare by their amounts."""
    assert amount("1024Mi") == amount("1Gi") > amount("1G") > amount("999M")
