"""The gate without one of its checks, which the corpus must distinguish from the whole gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from controller.advisor import answer_gate, strict_json

Change = tuple[Any, str, Any]

MUTANTS: dict[str, Change] = {
    **{
        f"without {check.__name__}": (answer_gate, "CHECKS", tuple(other for other in answer_gate.CHECKS if other is not check))
        for check in answer_gate.CHECKS
    },
    "any size": (strict_json, "MAX_OUTPUT_BYTES", 10**9),
    "any depth": (strict_json, "too_deep", lambda text: False),
    "broken UTF-8 repaired": (strict_json, "decoded", lambda output: output.decode("utf-8", "replace")),
    "any whitespace around": (strict_json, "WHITESPACE", None),
    "anything behind": (strict_json, "after", lambda text, end: ""),
    "the last of two keys": (strict_json, "unique", dict),
    "the integers of Python": (strict_json, "integer", int),
    "doubles": (strict_json, "fraction", lambda lexeme: Decimal(float(lexeme))),
    "numbers that are none": (strict_json, "constant", Decimal),
    "texts that turn": (answer_gate, "DIRECTIONS", frozenset()),
}


@contextmanager
def without(name: str) -> Iterator[None]:
    """Replace the gate by a mutant."""
    where, what, instead = MUTANTS[name]
    with patch.object(where, what, instead):
        yield
