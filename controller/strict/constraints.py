"""Constraints whose violations are explained: the message has the whole range, and names every field as its path does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

EXPLAINED = "explained"
"""Type of the findings of this module's constraints."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return pydantic's schema with one message for a wrong type and a value out of range."""
        bounded = core_schema.int_schema(strict=True, ge=self.low, le=self.high)
        message = f"must be a whole number from {self.low} to {self.high}"
        return core_schema.custom_error_schema(bounded, EXPLAINED, custom_error_message=message)


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from `low` to `high`, whole or not; `unit` is named in the message."""

    low: float
    high: float
    unit: str = ""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return pydantic's schema with one message for a wrong type and a value out of range."""
        bounded = core_schema.float_schema(strict=True, ge=self.low, le=self.high, allow_inf_nan=False)
        message = f"must be a number{f' of {self.unit}' if self.unit else ''} from {self.low:g} to {self.high:.15g}"
        return core_schema.custom_error_schema(bounded, EXPLAINED, custom_error_message=message)


@dataclass(frozen=True, slots=True)
class Explained:
    """Replaces every message of the type that it annotates, and so contains all of its rules."""

    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the annotated type's schema with the message."""
        return core_schema.custom_error_schema(handler(source), EXPLAINED, custom_error_message=self.message)


def about_secret(message: str) -> PydanticCustomError:
    """Return the error of a value that may contain a secret; the value is not shown."""
    return PydanticCustomError(EXPLAINED, message, {"secret": True})


def between_fields(message: str, *fields: str, at: str = "") -> PydanticCustomError:
    """Return the error of a rule between an object's `fields`, which the message names; it is shown at the field `at`."""
    return PydanticCustomError(EXPLAINED, message, {"fields": fields, "at": at})
