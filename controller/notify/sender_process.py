"""One send in a process of its own: it can be ended whatever its endpoint does, and apprise never enters the operator's memory."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass

from controller.adapter.niceness import stand_back
from controller.notify.delivery_result import Outcome, Result
from controller.notify.message import Message

SEND_SECONDS = 20.0
"""How long one send may take, the start of its process included."""
ALARM_GRACE_SECONDS = 1.0
"""How much later a sender ends itself, should the operator be gone."""
KEPT_ENVIRONMENT = frozenset({"PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}) | {
    spelling for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for spelling in (name, name.lower())
}
"""What a sender may know of the operator's environment: nothing that names credentials."""
COMMAND = (sys.executable, "-P", "-m", "controller.notify.sender")


@dataclass(frozen=True, slots=True)
class Senders:
    """Starts senders; `schemes` are the services that they may use, `allow` the addresses beside public ones."""

    schemes: tuple[str, ...]
    allow: tuple[str, ...] = ()
    seconds: float = SEND_SECONDS
    command: tuple[str, ...] = COMMAND

    async def send(self, url: str, message: Message) -> Outcome:
        """Send one message once, and return what came of it. The URL travels through a pipe: no list of processes shows it."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=_environment(), start_new_session=True
            )
        except OSError as error:
            return Outcome(Result.LATER, f"no process could be started to send it: {error.strerror}")
        stand_back(process.pid)
        try:
            async with asyncio.timeout(self.seconds):
                output, _ = await process.communicate(self._order(url, message))
        except TimeoutError:
            return Outcome(Result.UNKNOWN, f"the endpoint gave no answer within {self.seconds:.0f} s", hung=True)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return _outcome(output, process.returncode or 0)

    def _order(self, url: str, message: Message) -> bytes:
        order = {"url": url, "title": message.title, "body": message.body, "level": message.level, "schemes": self.schemes}
        return json.dumps(order | {"allow": self.allow, "seconds": self.seconds + ALARM_GRACE_SECONDS}).encode()


def _environment() -> dict[str, str]:
    """The sender's environment; NETRC keeps the HTTP library from sending credentials that lie in a home folder."""
    return {key: value for key, value in os.environ.items() if key in KEPT_ENVIRONMENT} | {"NETRC": os.devnull}


def _outcome(output: bytes, code: int) -> Outcome:
    try:
        answer = json.loads(output)
        return Outcome(Result(answer["result"]), answer["why"], open=answer["open"])
    except (ValueError, KeyError, TypeError):
        return Outcome(Result.UNKNOWN, f"the sender ended without a word (exit code {code})")
