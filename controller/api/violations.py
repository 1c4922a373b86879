"""What is wrong with an object: where, what was found there, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from controller.errors import RunwardenError

VALUE_LIMIT = 80
"""Characters of a refused value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One refused field: its path, the value (cut), and a message that says what is wrong and what is allowed."""

    path: str
    value: str
    message: str

    def __str__(self) -> str:
        """Return the violation as one line for people."""
        found = f" (found {self.value})" if self.value else ""
        return f"{self.path}: {self.message}{found}"


class Refused(RunwardenError):
    """An object that breaks the API; `violations` say where and how."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(str(violation) for violation in self.violations))


def violation(path: str, value: object, message: str) -> Violation:
    """Return a violation whose value is cut to a readable length; objects are not repeated."""
    text = "" if value is None or isinstance(value, dict | list | tuple) else repr(value)
    return Violation(path, text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 3] + "...", message)


def from_pydantic(error: ValidationError, root: str) -> tuple[Violation, ...]:
    """Return pydantic's findings as violations, paths below `root`."""
    findings = [dict(finding) for finding in error.errors(include_url=False)]
    return tuple(_from_finding(finding, root) for finding in findings if not _follows(finding, findings))


def _follows(finding: dict[str, Any], findings: list[dict[str, Any]]) -> bool:
    """Whether a list is called too short only because its items were refused."""
    loc = finding["loc"]
    return finding["type"] == "too_short" and any(len(f["loc"]) > len(loc) and f["loc"][: len(loc)] == loc for f in findings)


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
"""Clearer words for pydantic's most frequent findings."""
