"""A kubectl that fails on request. It is for faults only: working calls are tested against a real API server."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from controller.cli.rw import rw
from controller.cli.rw.objects import JsonObject


@dataclass
class FakeKubectl:
    """A shell script whose answers depend on its command line."""

    path: Path

    def answers(self, *replies: tuple[str, str | JsonObject, str, int]) -> None:
        """Use the first of (shell pattern, stdout, stderr, exit code) whose pattern matches; any other command line is an error."""
        cases = "".join(self._case(*reply) for reply in replies)
        log = shlex.quote(str(self.path.with_suffix(".log")))
        script = f'#!/bin/sh\nprintf "%s\\n" "$*" >>{log}\ncase "$*" in\n{cases}*) echo "unforeseen: $*" >&2; exit 9;;\nesac\n'
        self.path.write_text(script)
        self.path.chmod(0o755)

    def calls(self) -> list[str]:
        """Return every command line so far."""
        log = self.path.with_suffix(".log")
        return log.read_text().splitlines() if log.exists() else []

    def run(self, *args: str, stdin: str | None = None) -> Result:
        """Run the plugin on this kubectl."""
        return CliRunner().invoke(rw, args, input=stdin, env={"KUBECTL": str(self.path)}, prog_name="kubectl rw")

    def _case(self, pattern: str, out: str | JsonObject, err: str, code: int) -> str:
        text = out if isinstance(out, str) else json.dumps(out)
        fits = pattern.replace(" ", "\\ ")
        return f"{fits}) printf %s {shlex.quote(text)}; printf %s {shlex.quote(err)} >&2; exit {code};;\n"
