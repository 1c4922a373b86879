"""The contract between the operator and the adapter that runs an advisor's command: one request, one reply.

Plain data without behaviour. The reply's output is the command's unchecked answer: the operator's gate checks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

MAX_OUTPUT_BYTES = 65_536
"""Largest answer of a command. A longer one is refused as a whole."""


DEFAULT_SOCKET = Path("/run/runwatchman/adapter.sock")
"""Default path of the adapter's socket, in a folder that the containers of adapter and operator mount."""


class Ended(StrEnum):
    """The end of a consultation. Only `ANSWERED` has an output."""

    ANSWERED = "Answered"
    ABSTAINED = "Abstained"
    AUTH_FAILED = "AuthFailed"
    TEMPORARY = "TemporaryFailure"
    TIMED_OUT = "TimedOut"
    FAILED = "CommandFailed"
    MISUSED = "CommandMisused"
    TOO_LONG = "OutputTooLong"
    BUSY = "Busy"
    SUSPENDED = "Suspended"
    UNKNOWN_COMMAND = "UnknownCommand"
    UNREACHABLE = "AdapterUnreachable"


@dataclass(frozen=True, slots=True)
class Request:
    """A question to a command.

    `command` is a registered name, never an argv. `timeout_seconds` bounds the whole consultation, including the wait for a slot.
    `tenant` and `key` are opaque. Limits and failures are counted by `tenant`, a Run's namespace. Within a tenant the queue is fair
    by `key`, a Run's UID. `document` is the JSON that a raw command reads, `prompt` is the same content for a model, and `schema`
    is the schema of the answer.
    """

    command: str
    model: str
    timeout_seconds: int
    max_tokens: int
    tenant: str
    key: str
    document: dict[str, Any]
    prompt: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Consumption:
    """Tokens and cost of an answer; None for values that the command does not report."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micro_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a request. `detail` is for people, without secrets. `latency_seconds` includes the wait for a slot."""

    ended: Ended
    output: bytes = b""
    detail: str = ""
    model: str = ""
    latency_seconds: float = 0.0
    consumption: Consumption = field(default_factory=Consumption)


class Advisor(Protocol):
    """An advisor: the adapter behind its socket, or its code in this process."""

    async def consult(self, request: Request) -> Reply:
        """Ask once. All foreseeable failures are replies, at the latest shortly after the timeout."""
        ...
