"""Violations of the API by an object: the path, the refused value, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from controller.errors import RunwardenError

VALUE_LIMIT = 80
"""Maximum characters of a refused value in a message."""

PATH_LIMIT, MESSAGE_LIMIT = 512, 1024
"""Maximum characters of a violation's path and message. Both contain keys, which may be long."""

MAX_VIOLATIONS = 20
"""Maximum violations of an object. The check stops there: an object may have a hundred thousand, and nobody fixes more at once."""


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


class Refused(RunwardenError):
    """An object that violates the API; `violations` has the details."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(str(violation) for violation in self.violations))


def violation(path: str, value: object, message: str) -> Violation:
    """Return a violation whose parts are cut to a readable length. The values of objects and lists are left out."""
    text = "" if value is None or isinstance(value, dict | list | tuple) else _repeated(value)
    return Violation(shortened(path, PATH_LIMIT), shortened(text, VALUE_LIMIT), shortened(message, MESSAGE_LIMIT))


def _repeated(value: object) -> str:
    return repr(value[: VALUE_LIMIT + 1] if isinstance(value, str) else value)


def shortened(text: str, limit: int) -> str:
    """Return a text cut to `limit` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def limited(findings: Iterable[Violation], path: str) -> tuple[Violation, ...]:
    """Return the first findings and, if there are more, a last one about that. No further findings are computed."""
    first = tuple(islice(findings, MAX_VIOLATIONS + 1))
    if len(first) <= MAX_VIOLATIONS:
        return first
    return (*first[:-1], violation(path, None, f"has more than these {MAX_VIOLATIONS} refused fields: fix them to see the rest"))


def from_pydantic(error: ValidationError, root: str) -> tuple[Violation, ...]:
    """Return pydantic's first findings as violations, paths below `root`."""
    findings: list[dict[str, Any]] = [dict(finding) for finding in error.errors(include_url=False)]
    refused = {loc for finding in findings for loc in _around(finding["loc"])}
    return limited((_from_finding(finding, root) for finding in findings if not _follows(finding, refused)), root)


def _around(loc: tuple[int | str, ...]) -> Iterator[tuple[int | str, ...]]:
    return (loc[:length] for length in range(len(loc)))


def _follows(finding: dict[str, Any], refused: set[tuple[int | str, ...]]) -> bool:
    """Whether a list is too short only because its items were refused: other findings lie within it."""
    return finding["type"] == "too_short" and finding["loc"] in refused


def _from_finding(finding: dict[str, Any], root: str) -> Violation:
    path = root
    for part in finding["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    message = MESSAGES.get(finding["type"], finding["msg"])
    return violation(path.lstrip("."), finding.get("input"), message)


MESSAGES = {
    "extra_forbidden": "unknown field: remove it, or check its spelling",
    "missing": "this field is required",
}
"""Clearer messages for pydantic's most frequent findings."""
