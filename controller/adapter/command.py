"""What a registered command is to the adapter: how it is started, and how what it said is read."""

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
"""What a command says by its exit code; every other one, a signal's included, is a failure."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command. `environment` is added to the allowlisted one."""

    argv: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command's envelope held. `detail` is for people, without a secret."""

    output: bytes
    model: str = ""
    consumption: Consumption = field(default_factory=Consumption)
    ended: Ended = Ended.ANSWERED
    detail: str = ""


class Command(Protocol):
    """A registered command."""

    @property
    def name(self) -> str:
        """The name that a policy knows it by."""
        ...

    @property
    def kept_environment(self) -> frozenset[str]:
        """Which variables of the adapter's environment it may see besides the allowlisted ones: its credential, its home."""
        ...

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Say how it is asked. `folder` is this run's own, is deleted afterwards, and may be written to."""
        ...

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> Said:
        """Read what it said. `code` is its exit code, negative for a signal."""
        ...


def ended_by(code: int) -> Ended:
    """Return what an exit code says."""
    return EXIT_CODES.get(code, Ended.FAILED)
