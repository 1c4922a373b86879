"""Commands in containers: where one runs, how it ended, and how much of its output is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.cli.web.caller import Caller

MOST_OUTPUT = 1 << 20
"""Maximum bytes of a command's output; a command that writes more is ended."""

MOST_ERRORS = 1 << 14
"""Maximum bytes of a command's error messages, the last ones."""

SECONDS = 20.0
"""Time that a command may take, with the connection to its container."""


class Target(NamedTuple):
    """A container."""

    namespace: str
    pod: str
    container: str


class Ended(NamedTuple):
    """How a command has ended. `cut` if it was ended because it had written too much, and then it has no exit code."""

    code: int
    out: bytes
    errors: bytes
    cut: bool


@dataclass
class Written:
    """What a command has written so far, within bounds."""

    out: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    full: bool = False

    def add(self, part: bytes) -> None:
        """Take output."""
        room = MOST_OUTPUT - len(self.out)
        self.out += part[:room]
        self.full = self.full or len(part) > room

    def add_error(self, part: bytes) -> None:
        """Take error messages."""
        self.errors = (self.errors + part)[-MOST_ERRORS:]

    def ended(self, code: int) -> Ended:
        """Return the end of the command."""
        return Ended(0 if self.full else code, bytes(self.out), bytes(self.errors), self.full)


Execute = Callable[[Caller, Target, Sequence[str]], Awaitable[Ended]]
"""Runs a command in a container with the caller's rights, without input. Raises Problem if it could not be run."""
