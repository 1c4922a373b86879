"""Violations of the API by an object: the path, the refused value, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

from pydantic import ValidationError

from controller.api.hints import MEANINGS, plain_name
from controller.errors import RunwatchmanError

VALUE_LIMIT = 80
"""Maximum characters of a refused value in a message."""

PATH_LIMIT, MESSAGE_LIMIT = 512, 1024
"""Maximum characters of a violation's path and message. Both contain keys, which may be long."""

Loc = tuple[int | str, ...]
"""The place of a value in a document: keys, and indexes of lists."""

MAX_VIOLATIONS = 20
"""Maximum violations of an object. The check stops there: an object may have a hundred thousand, and nobody fixes more at once."""


MORE = f"has more than these {MAX_VIOLATIONS} refused fields: fix them to see the rest"
"""Message of the last violation of an object that has more."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One refused field: its path, its value (cut), and a message with the fault and the remedy."""

    path: str
    value: str
    message: str

    def __str__(self) -> str:
        """Return the violation as one line for people."""
        value = f" (found {self.value})" if self.value else ""
        return f"{self.path}: {self.message}{value}"


class Refused(RunwatchmanError):
    """An object that violates the API; `violations` has the details."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(str(violation) for violation in self.violations))


def violation(path: str, value: object, message: str) -> Violation:
    """Return a violation whose parts are cut to a readable length. The values of objects and lists are left out."""
    text = "" if value is None or isinstance(value, dict | list | tuple) else _repeated(value)
    return Violation(shortened(path, PATH_LIMIT), shortened(text, VALUE_LIMIT), shortened(message, MESSAGE_LIMIT))


def found(path: str, value: object, message: str) -> Violation:
    """Return a violation by a value that the object has, null included."""
    made = violation(path, value, message)
    return replace(made, value="null") if value is None else made


def _repeated(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value[: VALUE_LIMIT + 1] if isinstance(value, str) else value)


def shortened(text: str, limit: int) -> str:
    """Return a text cut to `limit` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def limited(findings: Iterable[Violation], path: str) -> tuple[Violation, ...]:
    """Return the first findings and, if there are more, a last one about that. No further findings are computed."""
    first = tuple(islice(findings, MAX_VIOLATIONS + 1))
    if len(first) <= MAX_VIOLATIONS:
        return first
    return (*first[:-1], violation(path, None, MORE))


def summary(violations: Sequence[Violation], limit: int) -> str:
    """Return the violations in one text of at most `limit` characters: first with messages, then by path, then by number."""
    if violations[-1].message == MORE:
        tail = f"; {violations[-1].path}: {MORE}"
        return summary(violations[:-1], limit - len(tail)) + tail
    texts = [f"{each.path}: {each.message}" for each in violations]
    if sum(len(text) + 2 for text in texts) <= limit:
        return "; ".join(texts)
    whole = max(_fitting(texts, limit - ROOM_FOR_PATHS), 1)
    text = shortened("; ".join(texts[:whole]), limit - ROOM_FOR_PATHS)
    rest = [each.path for each in violations[whole:]]
    named = _fitting(rest, limit - len(text) - len("; also " + AND_MORE))
    text += f"; also {', '.join(rest[:named])}" if named else ""
    return text + (AND_MORE.format(len(rest) - named) if named < len(rest) else "")


AND_MORE = " (and {} more)"
ROOM_FOR_PATHS = 256
"""Characters of a summary for the paths of violations whose messages do not fit."""


def _fitting(texts: Sequence[str], room: int) -> int:
    """Return how many of the texts fit with a separator of two characters each."""
    ends = accumulate(len(text) + 2 for text in texts)
    return sum(1 for end in ends if end <= room)


def from_pydantic(error: ValidationError, root: str) -> tuple[Violation, ...]:
    """Return pydantic's first findings as violations, paths below `root`."""
    return limited(findings_of(error, lambda loc: dotted((root, *loc) if root else loc)), root)


def findings_of(error: ValidationError, place: Callable[[Loc], str]) -> Iterator[Violation]:
    """Return pydantic's findings as violations; `place` writes a location as the object's author spells it."""
    findings: list[dict[str, Any]] = [dict(finding) for finding in error.errors(include_url=False)]
    refused = {loc for finding in findings for loc in _around(finding["loc"])}
    return (_from_finding(finding, place) for finding in findings if not _follows(finding, refused))


def dotted(loc: Loc) -> str:
    """Return a location as a path: keys after dots, indexes in brackets."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _around(loc: Loc) -> Iterator[Loc]:
    return (loc[:length] for length in range(len(loc)))


def _follows(finding: dict[str, Any], refused: set[Loc]) -> bool:
    """Whether a list is too short only because its items were refused: other findings lie within it."""
    return finding["type"] == "too_short" and finding["loc"] in refused


def _from_finding(finding: dict[str, Any], place: Callable[[Loc], str]) -> Violation:
    loc, value, rule = finding["loc"], finding.get("input"), finding.get("ctx", {})
    message = MESSAGES.get(finding["type"], finding["msg"])
    meaning = MEANINGS.get(plain_name(str(loc[-1]))) if finding["type"] == UNKNOWN else None
    message = f"unknown field: {meaning}" if meaning else message
    for field in rule.get("fields", ()):
        message = re.sub(rf"\b{field}\b", place((*loc, field)).rpartition(".")[2], message)
    if field := rule.get("at"):
        loc, value = (*loc, field), value.get(field) if isinstance(value, dict) else None
        return violation(place(loc), value, message)
    hidden = finding["type"] == "missing" or rule.get("secret")
    return violation(place(loc), None, message) if hidden else found(place(loc), value, message)


UNKNOWN = "extra_forbidden"
MESSAGES = {
    UNKNOWN: "unknown field: remove it, or check its spelling",
    "missing": "this field is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "string_type": "must be a text: put it in quotes",
    "bool_type": "must be true or false",
}
"""Clearer messages for pydantic's most frequent findings. Numbers have theirs from `constraints.py`."""
