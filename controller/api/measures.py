"""Bounded measures that are not whole numbers, and rules between the fields of an object, for models outside the API's objects."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from pydantic_core import PydanticCustomError

from controller.api.base import MAX_SECONDS, MAX_TOKENS
from controller.strict.constraints import Explained, Number, Whole, between_fields

MAX_RATE = 3600
"""The highest rate of any event: one a second, in events an hour."""
MAX_SHAPE = 100

Duration = Annotated[float, Number(0, MAX_SECONDS, "seconds")]
Rate = Annotated[float, Number(0, MAX_RATE)]
Share = Annotated[float, Number(0, 1), Explained("must be a share from 0 to 1, for example 0.8 for 80 %")]
Weight = Annotated[float, Number(0, 1_000_000)]
Shape = Annotated[float, Number(0.05, MAX_SHAPE)]
TokenBudget = Annotated[int, Whole(1, MAX_TOKENS)]
EndCode = Annotated[int, Whole(1, 255)]
"""Exit code of a program that has failed."""
TimeOfDay = Annotated[
    str,
    StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
    Explained('must be a time of day in quotes, from "00:00" to "24:00"'),
]


def wrong(message: str, *fields: str, at: str = "") -> PydanticCustomError:
    """Return the error of a rule between an object's `fields`, which the message names; it is shown at the field `at`."""
    return between_fields(message, *fields, at=at)
