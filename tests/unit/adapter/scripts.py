"""Commands as small real scripts, and requests for them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.adapter.command import CommandResult, Invocation, ended_by
from controller.adapter.contract import Consumption, Request
from controller.adapter.process_tree import MARK, mark_of


@dataclass(frozen=True, slots=True)
class Script:
    """A command that is an argv: it gets the prompt on stdin, and its stdout is its answer."""

    name: str
    argv: tuple[str, ...]
    kept_environment: frozenset[str] = frozenset()
    consumption: Consumption = field(default_factory=Consumption)

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Build the invocation; it writes to the folder as presets do."""
        (folder / "schema.json").write_text("{}")
        return Invocation(self.argv, request.prompt.encode(), {"ADDED": "added"})

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> CommandResult:
        """Return the whole output."""
        assert (folder / "schema.json").exists()
        return CommandResult(stdout, "stub-1", self.consumption, ended_by(code), stderr.decode(errors="replace"))


def shell(name: str, script: str, **more: Any) -> Script:
    """Return a command that runs a shell script."""
    return Script(name, ("sh", "-c", script), **more)


def request(command: str, **more: Any) -> Request:
    """Return a request; every field that a test does not set has a harmless value."""
    filled: dict[str, Any] = {"model": "m", "timeout_seconds": 20, "max_tokens": 10, "prompt": "why?"}
    filled |= {"tenant": "team", "key": "uid"}
    return Request(command=command, document={"a": [1]}, schema={"type": "object"}, **(filled | more))


def marked() -> list[int]:
    """Return every running process of this machine that a consultation has started."""
    assert MARK not in os.environ
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and mark_of(int(name))]
