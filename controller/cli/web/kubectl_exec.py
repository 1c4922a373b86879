"""Runs a command in a container by the caller's kubectl, whose proxy lets no command through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from controller.cli.rw.kubectl import Kubectl
from controller.cli.rw.kubectl_errors import EXEC_ENDED, fault
from controller.cli.web.caller import Caller
from controller.cli.web.executing import Ended, Execute, Target, Written

PART = 1 << 16
"""Bytes that are read at once."""


def by_kubectl(kubectl: Kubectl) -> Execute:
    """Return what runs commands by a kubectl with its flags; the namespace is that of the container."""
    flags = tuple(flag for flag in kubectl.flags if not flag.startswith("--namespace="))
    own = replace(kubectl, flags=flags, started=[])

    async def execute(_: Caller, target: Target, command: Sequence[str]) -> Ended:
        where = f"--namespace={target.namespace}", f"--container={target.container}"
        process = await own.open("exec", target.pod, *where, "--", *command)
        try:
            return await _followed(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return execute


async def _followed(process: asyncio.subprocess.Process) -> Ended:
    """Read until kubectl ends, and end it when the command has written too much. Raises Refused if kubectl itself fails."""
    found = Written()

    def add(part: bytes) -> None:
        found.add(part)
        if found.full and process.returncode is None:
            process.kill()

    await asyncio.gather(_read(process.stdout, add), _read(process.stderr, found.add_error))
    ended = found.ended(await process.wait())
    messages = ended.errors.decode(errors="replace").rstrip()
    if ended.code and not EXEC_ENDED.fullmatch(messages.rpartition("\n")[2]):
        raise fault(messages)
    return ended


async def _read(stream: asyncio.StreamReader | None, add: Callable[[bytes], None]) -> None:
    while stream is not None and (part := await stream.read(PART)):
        add(part)
