"""The interface of a registered command: its invocation, and the parsing of its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from controller.adapter.contract import Consumption, Ended, Request

EXIT_CODES: Mapping[int, Ended] = {
    0: Ended.ANSWERED,
    2: Ended.MISUSED,
    3: Ended.AUTH_FAILED,
    4: Ended.ABSTAINED,
    75: Ended.TEMPORARY,
    124: Ended.TIMED_OUT,
}
"""Exit code -> end of the consultation. All other codes, and signals, are failures."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command. `environment` is added to the allowlisted one."""

    argv: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The content of a command's envelope. `detail` is for people, without secrets."""

    output: bytes
    model: str = ""
    consumption: Consumption = field(default_factory=Consumption)
    ended: Ended = Ended.ANSWERED
    detail: str = ""


class Command(Protocol):
    """A registered command."""

    @property
    def name(self) -> str:
        """The name that policies refer to."""
        ...

    @property
    def kept_environment(self) -> frozenset[str]:
        """Variables of the adapter's environment that the command gets besides the allowlisted ones: its credential, its home."""
        ...

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Return how the command is run. `folder` belongs to this run, is writable, and is deleted afterwards."""
        ...

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> CommandResult:
        """Parse the command's output. `code` is its exit code, negative for a signal."""
        ...


def ended_by(code: int) -> Ended:
    """Return the end of the consultation that an exit code stands for."""
    return EXIT_CODES.get(code, Ended.FAILED)
