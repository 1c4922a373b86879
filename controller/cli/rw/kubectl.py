"""kubectl as a child process: it supports every kubeconfig, exec plugin and proxy. Only this module of the plugin uses
subprocess.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.cli.rw.kubectl_errors import Denied, Refused, fault
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem

if TYPE_CHECKING:
    import asyncio

PROGRAM_VARIABLE = "KUBECTL"
"""Environment variable with the kubectl to use instead of the one on PATH."""

DEFAULT_NAMESPACE = "default"

REMEDY = f"install kubectl or set ${PROGRAM_VARIABLE} to its path"


def find_kubectl() -> str:
    """Return the path of $KUBECTL, or of the kubectl on PATH. Raises Problem if neither exists."""
    wanted = os.environ.get(PROGRAM_VARIABLE) or "kubectl"
    found = shutil.which(wanted)
    if found is None:
        raise Problem(f"{wanted} is not on PATH" if "/" not in wanted else f"there is no program {wanted}", REMEDY)
    return found


@dataclass
class Kubectl:
    """kubectl with the caller's flags (`--context` and the like), which are passed to every call."""

    flags: tuple[str, ...] = ()
    program: str = field(default_factory=find_kubectl)
    started: list[Call] = field(default_factory=list)

    def text(self, *args: str, stdin: str | None = None) -> str:
        """Return kubectl's output. Raises Refused, with the API server's reason, if it fails."""
        return self.start(*args, stdin=stdin).text()

    def json(self, *args: str, stdin: str | None = None) -> JsonObject:
        """Return the object that kubectl prints, or an empty one for no output. Raises Refused."""
        return self.start(*args, "-o", "json", stdin=stdin).json()

    def start(self, *args: str, stdin: str | None = None) -> Call:
        """Start a call; several calls and other work run concurrently."""
        given = subprocess.PIPE if stdin is not None else subprocess.DEVNULL
        try:
            process = subprocess.Popen(  # noqa: S603  # a list of arguments and no shell: the caller could run the same
                self._command(args),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise Problem(f"{self.program} cannot be run ({error.strerror})", REMEDY) from error
        if stdin is not None and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.close()
            process.stdin = None
        self.started.append(Call(process))
        return self.started[-1]

    def close(self) -> None:
        """End the calls whose results nobody awaited, because another call failed."""
        for call in self.started:
            call.end()

    def hand_over(self, *args: str) -> int:
        """Run kubectl on the terminal and return its exit code."""
        return subprocess.run(self._command(args), check=False).returncode  # noqa: S603  # as above

    async def open(self, *args: str) -> asyncio.subprocess.Process:
        """Start a call without input, whose output is read as it comes."""
        import asyncio  # Only the page needs it.

        none, pipe = subprocess.DEVNULL, subprocess.PIPE
        try:
            return await asyncio.create_subprocess_exec(*self._command(args), stdin=none, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise Problem(f"{self.program} cannot be run ({error.strerror})", REMEDY) from error

    def default_namespace(self) -> str:
        """Return the namespace of the caller's context."""
        try:
            return self.text("config", "view", "--minify", "-o", "jsonpath={..namespace}").strip() or DEFAULT_NAMESPACE
        except Refused:  # there is no kubeconfig, as in a pod
            return DEFAULT_NAMESPACE

    def watch(self, *args: str) -> Iterator[JsonObject]:
        """Yield each event of a watch until the server ends it. Raises Refused."""
        call = self.start(*args, "-o", "json", "--watch", "--output-watch-events")
        try:
            yield from call.documents()
            call.text()
        finally:
            call.end()

    def _command(self, args: Sequence[str]) -> list[str]:
        return [self.program, *with_flags(args, self.flags)]


@dataclass
class Call:
    """A running kubectl."""

    process: subprocess.Popen[str]

    def text(self) -> str:
        """Wait for its end and return its output. Raises Refused."""
        out, err = self.process.communicate()
        if self.process.returncode:
            raise fault(err)
        return out

    def json(self) -> JsonObject:
        """Wait for its end and return the object that it printed, or an empty one for no output. Raises Refused."""
        out = self.text()
        return _decoded(out) if out.strip() else {}

    def json_if_allowed(self) -> JsonObject | Denied:
        """Return the object, or the permission that the caller lacks. Raises Refused for any other failure."""
        try:
            return self.json()
        except Refused as refused:
            if refused.denied is None:
                raise
            return refused.denied

    def documents(self) -> Iterator[JsonObject]:
        """Yield each JSON document as it arrives: one line, or indented lines up to a closing brace at the start of a line."""
        if self.process.stdout is None:
            return
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if line.rstrip().endswith("}") and not line[0].isspace():
                yield _decoded("".join(lines))
                lines.clear()

    def first_line(self) -> str:
        """Wait for the first line of a process that goes on. Raises Refused if it ends without one."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        return line.strip() or self.text().strip()

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def end(self) -> None:
        """End the process if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def with_flags(words: Sequence[str], flags: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command with more flags, placed before a `--` so that they do not become arguments."""
    end = words.index("--") if "--" in words else len(words)
    return (*words[:end], *flags, *words[end:])


def _decoded(text: str) -> JsonObject:
    """Return the object or list in a text; for an object nested too deeply for Python, return its remains, as the operator does."""
    try:
        found: JsonObject = json.loads(text)
    except RecursionError:
        found = _remains(text.encode())
    return found


def _remains(data: bytes) -> JsonObject:
    from controller.kube.decode import Malformed, decode, decode_items  # It takes time, and is rarely needed.

    try:
        found = decode_items(data, len(data))
    except Malformed:
        found = decode(data, len(data))
    for obj in found.get("items", [found]):
        obj.setdefault("spec", {"agents": []})
    return found
