"""Runs any command that reads one JSON document on stdin and writes exactly one to stdout. Its exit code is its result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from controller.adapter.command import CommandResult, Invocation, ended_by
from controller.adapter.contract import Ended, Request
from controller.adapter.presets.output_parsing import text_of


@dataclass(frozen=True, slots=True)
class Raw:
    """A command with a registered argv."""

    name: str
    argv: tuple[str, ...]
    kept_environment: frozenset[str] = frozenset()

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Return the invocation. Its document has the facts as fields, and the prompt for commands that pass it on to a model."""
        document = {
            **request.document,
            "model": request.model,
            "max_tokens": request.max_tokens,
            "timeout_seconds": request.timeout_seconds,
            "prompt": request.prompt,
            "answer_schema": request.schema,
        }
        return Invocation(self.argv, json.dumps(document).encode())

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> CommandResult:
        """Return all of stdout as the answer. stderr is for people."""
        ended = ended_by(code)
        if ended is Ended.ANSWERED:
            return CommandResult(stdout)
        return CommandResult(b"", ended=ended, detail=text_of(stderr) or f"exit code {code} without a message on stderr")
