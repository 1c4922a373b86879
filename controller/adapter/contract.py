"""The contract between the operator and whatever runs an advisor's command: one request, one reply.

Plain data without behaviour. The reply's output is what the command said, unjudged: the gate is the operator's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

MAX_OUTPUT_BYTES = 65_536
"""How much of a command's answer is handed on; one byte more, and it is refused as a whole."""


DEFAULT_SOCKET = Path("/run/runwarden/adapter.sock")
"""Where the adapter listens and the operator asks, unless told otherwise: in a folder that both containers mount."""


class Ended(StrEnum):
    """How a consultation ended. Only `ANSWERED` has an output."""

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
    """What a command is asked.

    `command` is a registered name, never an argv. `timeout_seconds` bounds all of it, waiting for a place included. `tenant` and
    `key` are opaque: whose bounds and failures it counts to (a Run's namespace), and whom among the tenant's the queue is fair to
    (a Run's UID). `document` is the JSON that a raw command reads; `prompt` says the same to a model, and `schema` is the schema
    of the answer.
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
    """What an answer cost, where the command tells; None where it does not."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micro_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of it. `detail` is for people, without a secret; `latency_seconds` includes the wait for a place."""

    ended: Ended
    output: bytes = b""
    detail: str = ""
    model: str = ""
    latency_seconds: float = 0.0
    consumption: Consumption = field(default_factory=Consumption)


class Advisor(Protocol):
    """Whatever can be asked: the adapter over its socket, or its code in this process."""

    async def consult(self, request: Request) -> Reply:
        """Ask once. Every failure that can be foreseen is a reply; none takes longer than the timeout and a little."""
        ...
