"""The verification of an agent's work: a command that somebody other than the agent runs on a copy of its workspace."""

from __future__ import annotations

from operator import not_
from typing import Annotated

from pydantic import Field

from controller.api.base import ApiEnum, ApiModel, Argument, Count, ExitCode, KeptModel, Output, Seconds, Word
from controller.api.container_fields import EnvFrom, Image, Resources
from controller.api.source import Commit

MAX_COMMAND = 64
"""Entries of a command."""

DEFAULT_TIMEOUT_SECONDS = 600
NEEDS_WORKSPACE = "verify needs a workspace, of which it sees a copy: set workspace, for example to {}"

Command = Annotated[tuple[Argument, ...], Field(min_length=1, max_length=MAX_COMMAND)]


class Verify(ApiModel):
    """A command that judges an agent's work, in a pod of its own with a copy of the workspace and nothing of the agent."""

    image: Image | None = Field(default=None, description="Container image; the agent's when not set. It needs /bin/sh.")
    command: Command = Field(description="The command and its arguments, without a shell. Exit code 0 means that the work is good.")
    timeout_seconds: Seconds = Field(
        default=DEFAULT_TIMEOUT_SECONDS, description="Seconds after which the command is ended and has failed; 1 to 31536000."
    )
    resources: Resources | None = Field(default=None, description="Requests and limits; the agent's when not set.")
    env_from: tuple[EnvFrom, ...] | None = Field(
        default=None,
        max_length=32,
        description="Secrets and ConfigMaps whose keys become the command's environment. The agent's environment does not.",
    )


class VerificationResult(ApiEnum):
    """The result of a verification. It is Running in the status only."""

    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"


class VerificationState(KeptModel):
    """How the verification of an attempt ended."""

    attempt: Count = Field(description="The attempt, from 0. The result holds for no other one.")
    result: VerificationResult = Field(description="Passed or Failed.")
    exit_code: ExitCode | None = Field(default=None, description="Exit code of the command, if it has ended by itself.")
    message: Output = Field(default="", exclude_if=not_, description="The end of its output.")
    digest: Word = Field(
        default="",
        exclude_if=not_,
        description="SHA-256 of the failure, hex: its exit code and its output without times and numbers.",
    )
    tree: Commit | None = Field(default=None, description="The git tree that was verified, if the workspace has a source.")
    repeated: Count = Field(default=0, exclude_if=not_, description="How often the same failure has followed itself.")


class VerificationStatus(ApiModel):
    """The verification of an agent's work."""

    result: VerificationResult = Field(description="Running, Passed or Failed.")
    attempt: Count = Field(description="The attempt that it judges, from 0.")
    exit_code: ExitCode | None = Field(default=None, description="Exit code of the command.")
    message: Output | None = Field(default=None, description="The end of the command's output, up to 4096 bytes.")
