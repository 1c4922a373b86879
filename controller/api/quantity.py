"""Quantities such as 10Gi, 500m, 2 and 0.5: their type, their faults, and their amounts for comparisons.

The API server reads a quantity from a text or a number. So do we, and pass it on unchanged.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

DECIMAL_STEP, BINARY_STEP = Decimal(1000), Decimal(1024)
SUFFIXES = {
    "n": DECIMAL_STEP**-3,
    "u": DECIMAL_STEP**-2,
    "m": DECIMAL_STEP**-1,
    "k": DECIMAL_STEP,
    **{letter: DECIMAL_STEP**power for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": BINARY_STEP**power for power, letter in enumerate("KMGTPE", start=1)},
}
"""Suffix of a quantity -> its factor."""

MAX_LENGTH = 32
"""Maximum characters of a quantity in a text."""

LARGEST = 2**63 - 1
"""The largest quantity; the API server cuts a larger one to it."""

PATTERN = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})?$"
"""A quantity in a text. An exponent has two digits, which reach beyond the largest quantity."""

PARTS = re.compile(PATTERN)

QUANTITY = "quantity"
"""Type of a quantity in the JSON schema of a model; a CRD expresses it in its own way."""

EXAMPLES = "such as 2, 0.5, 500m or 1Gi"


def amount(quantity: Quantity) -> Decimal:
    """Return the numeric value of a quantity."""
    text = str(quantity)
    found = PARTS.fullmatch(text)
    suffix = found[3] if found else None
    if suffix not in SUFFIXES:
        return Decimal(text)
    return Decimal(text.removesuffix(suffix)) * SUFFIXES[suffix]


def quantity_fault(value: object) -> str:
    """Return why a value is not a quantity, or an empty text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return f"must be a quantity {EXAMPLES}"
    if isinstance(value, str):
        fits = len(value) <= MAX_LENGTH and PARTS.fullmatch(value) is not None
        return "" if fits else f"must be a quantity {EXAMPLES}, of at most {MAX_LENGTH} characters"
    return "" if 0 <= value <= LARGEST else f"must be a quantity of 0 to {LARGEST}"


def _quantity(value: object) -> object:
    if fault := quantity_fault(value):
        raise PydanticCustomError(QUANTITY, fault)
    return value


Quantity = Annotated[str | int | float, PlainValidator(_quantity), WithJsonSchema({"type": QUANTITY})]
"""A text or a number, kept as it was written."""
