"""A command of one's own: one JSON document on stdin, exactly one on stdout, and its exit code says how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from controller.adapter.command import Invocation, Said, ended_by
from controller.adapter.contract import Ended, Request
from controller.adapter.presets.output_parsing import text_of


@dataclass(frozen=True, slots=True)
class Raw:
    """A registered argv."""

    name: str
    argv: tuple[str, ...]
    kept_environment: frozenset[str] = frozenset()

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Give it the document, with what a model has to be told in one piece beside the facts."""
        document = {
            **request.document,
            "model": request.model,
            "max_tokens": request.max_tokens,
            "timeout_seconds": request.timeout_seconds,
            "prompt": request.prompt,
            "answer_schema": request.schema,
        }
        return Invocation(self.argv, json.dumps(document).encode())

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> Said:
        """Take all of stdout for the answer; stderr is for people."""
        ended = ended_by(code)
        if ended is Ended.ANSWERED:
            return Said(stdout)
        return Said(b"", ended=ended, detail=text_of(stderr) or f"exit code {code} without a word on stderr")
