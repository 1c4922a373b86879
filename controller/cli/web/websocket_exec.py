"""Runs a command in a container through the API server: by a websocket, with the caller's token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

from controller.cli.rw.kubectl_errors import Denied, Refused
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import Away, path_of
from controller.cli.web.caller import Caller
from controller.cli.web.executing import Ended, Target, Written
from controller.cli.web.related_reads import core

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Subprotocols in which the first byte of each message is its channel, and the last message is a Status."""

STDOUT, STDERR, STATUS = 1, 2, 3
"""Channels that the server writes to."""


async def by_websocket(caller: Caller, target: Target, command: Sequence[str]) -> Ended:
    """Run a command and return how it has ended. Raises Problem if it could not be run, with the missing right if it is that."""
    await _check(caller, target)
    parts = [("command", word) for word in command]
    params = [("container", target.container), *parts, ("stdout", "true"), ("stderr", "true")]
    path = core(target.namespace, "pods", target.pod, "exec")
    try:
        async with caller.api.websocket(path, params, PROTOCOLS) as socket:
            if socket.protocol not in PROTOCOLS:
                raise Problem("the API server knows none of the protocols for commands", f"they are {', '.join(PROTOCOLS)}")
            return await _followed(socket)
    except Refused as refused:
        if refused.reason == "Forbidden":
            raise await _denied(caller, "get", target) from refused
        raise


async def _check(caller: Caller, target: Target) -> None:
    """Raise Refused for a caller who may not create pods/exec.

    A websocket is a GET, for which older API servers ask for the right to get only; kubectl needs this one.
    """
    asked = {"namespace": target.namespace, "verb": "create", "resource": "pods", "subresource": "exec", "name": target.pod}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
    path = path_of("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")
    found = await caller.api.send("POST", path, review)
    if not found["status"]["allowed"]:
        raise await _denied(caller, "create", target)


async def _denied(caller: Caller, verb: str, target: Target) -> Refused:
    missing = Denied((await caller.me())["username"], verb, "pods/exec", target.namespace)
    return Refused(f"{missing}; {missing.remedy}", reason="Forbidden", denied=missing)


async def _followed(socket: aiohttp.ClientWebSocketResponse) -> Ended:
    """Read until the command ends, or has written too much."""
    found = Written()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == STATUS:
            return found.ended(_exit_code(data))
        if channel == STDOUT:
            found.add(data)
        elif channel == STDERR:
            found.add_error(data)
        if found.full:
            return found.ended(0)
    raise Away("the connection to the container has ended before the command", "try again")


def _exit_code(data: bytes) -> int:
    """Return the exit code in the Status at the end. Raises Problem for a command that did not run."""
    try:
        status: Any = orjson.loads(data)
        if status["status"] == "Success":
            return 0
        if status.get("reason") == "NonZeroExitCode":
            return int(next(c["message"] for c in status["details"]["causes"] if c["reason"] == "ExitCode"))
        message = str(status.get("message", "the command did not run"))
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise Problem("the end of the command cannot be read", "try again") from error
    raise Problem(message)
