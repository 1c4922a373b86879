"""From the planner's data to JSON."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_jsonable_python


def plain(value: Any) -> Any:
    """Return the value as JSON can hold it: dataclasses by field, models as on the wire, times as RFC 3339."""
    return to_jsonable_python(value, by_alias=True, exclude_none=True)
