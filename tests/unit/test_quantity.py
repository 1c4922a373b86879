"""Quantities: which values the API accepts, and their amounts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.quantity import LARGEST, Quantity, amount, quantity_fault

AMOUNTS: dict[Quantity, Decimal] = {
    "0": Decimal(0),
    "1.5": Decimal("1.5"),
    "500m": Decimal("0.5"),
    "2k": Decimal(2000),
    "5G": Decimal(5 * 10**9),
    "5Gi": Decimal(5 * 2**30),
    "0.5Ti": Decimal(2**39),
    "1Ei": Decimal(2**60),
    "1E": Decimal(10**18),
    "1E3": Decimal(1000),
    "1e3": Decimal(1000),
    "1e-3": Decimal("0.001"),
    "100n": Decimal("0.0000001"),
    "1u": Decimal("0.000001"),
    ".5": Decimal("0.5"),
    "5.": Decimal(5),
    "+1": Decimal(1),
    2: Decimal(2),
    1073741824: Decimal(2**30),
    0.5: Decimal("0.5"),
    0.1: Decimal("0.1"),
    1e-07: Decimal("0.0000001"),
    LARGEST: Decimal(LARGEST),
}
REFUSED: tuple[object, ...] = (
    "", " 1", "1 ", "1\n", "lots", "1K", "1 core", "-1", "1e400", "1Gib", ".", "0x10", "1e", "9" * 33,
    -1, -0.5, LARGEST + 1, 1e30, True, False, None, {}, [], ["1Gi"],
)  # fmt: skip


@pytest.mark.parametrize("quantity", AMOUNTS)
def test_an_amount_is_what_the_suffix_makes_of_the_number(quantity: Quantity) -> None:
    """A quantity is a text or a number, as in a pod. Suffixes and exponents multiply it."""
    assert quantity_fault(quantity) == ""
    assert amount(quantity) == AMOUNTS[quantity]


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_other_values_are_no_quantities(value: object) -> None:
    """The fault shows examples of the form, or the range."""
    assert "must be a quantity" in quantity_fault(value)


@given(st.integers(0, LARGEST) | st.floats(0, float(2**62)))
def test_every_number_in_range_has_an_amount(number: float) -> None:
    """Comparisons read each number that the API accepts, as it is written."""
    assert quantity_fault(number) == ""
    assert amount(number) == Decimal(str(number))


def test_larger_quantities_are_larger() -> None:
    """Quantities of different forms compare by their amounts."""
    assert amount("1024Mi") == amount("1Gi") == amount(1073741824) > amount("1G") > amount("999M") > amount(0.5)
