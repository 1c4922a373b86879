"""CLIs with scripted output, in a pod."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.clis.pod import Pod

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "ash")}
"""The shells that an image may have."""

STUB = """#!/bin/sh
printf '%s\\n' "$@" >"$STUB/arguments"
pwd >"$STUB/directory"
cat >"$STUB/prompt"
cat "$STUB/stream"
cat "$STUB/stderr" >&2
exit "$(cat "$STUB/code")"
"""
SLEEPER = """#!/bin/sh
trap 'kill -KILL $!; exit 9' TERM
sleep 1000 &
: >"$STUB/arguments"
wait
"""
STARTED = '{"type":"thread.started","thread_id":"t-1"}\n'
DONE = '{"type":"turn.completed","usage":{"input_tokens":1,"output_tokens":1}}\n'
FAILED = '{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized: no"}}\n'


@dataclass
class Stubbed:
    """A pod whose CLIs are stubs."""

    pod: Pod
    folder: Path

    def says(self, stream: str, code: int = 0, stderr: str = "") -> None:
        """Set the CLI's output and its exit code."""
        for name, text in (("stream", stream), ("code", str(code)), ("stderr", stderr)):
            (self.folder / name).write_text(text)

    def becomes(self, script: str) -> None:
        """Replace the CLI by a script."""
        for name in ("codex", "claude"):
            (self.folder / name).write_text(script)
            (self.folder / name).chmod(0o755)

    @property
    def arguments(self) -> list[str]:
        """The arguments of the CLI."""
        return (self.folder / "arguments").read_text().splitlines()

    @property
    def prompt(self) -> str:
        """The prompt of the CLI."""
        return (self.folder / "prompt").read_text()


def with_stubs(place: Path, shell: tuple[str, ...]) -> Stubbed:
    """Return a pod whose CLIs are stubs that finish their turn at once; `shell` runs `rw-exec`."""
    folder = place / "stub"
    folder.mkdir()
    pod = Pod(place / "workspace", place / "runwatchman", f"{folder}:{os.environ['PATH']}", {"STUB": str(folder)}, shell)
    stub = Stubbed(pod, folder)
    stub.becomes(STUB)
    stub.says(STARTED + DONE)
    return stub
