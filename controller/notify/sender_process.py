"""Sends each message in its own process, which can be killed at any time. apprise never enters the operator's memory.

A warm process has apprise loaded and forks the others. The first message starts it, and it ends when no more messages follow.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Protocol, Self

from controller.notify.delivery_result import Outcome, Result
from controller.notify.message import Message
from controller.notify.warm import Warm

SEND_SECONDS = 20.0
"""Timeout of one send, including the start of its process."""
ALARM_GRACE_SECONDS = 1.0
"""Time after the timeout at which a sender ends itself, in case the operator is gone."""
IDLE_SECONDS = 60.0
"""Time without a send after which the warm process is ended."""
COMMAND = (sys.executable, "-P", "-m", f"{__package__}.sender")


class Timer(Protocol):
    """A deferred call."""

    def cancel(self) -> None:
        """Cancel the call."""


class Senders:
    """Starts senders. `schemes` are the services that they may use, `allow` the addresses besides public ones.

    `later` defers a call by a number of seconds; by default it is the running loop's `call_later`.
    """

    def __init__(
        self,
        schemes: tuple[str, ...],
        allow: tuple[str, ...] = (),
        seconds: float = SEND_SECONDS,
        command: tuple[str, ...] = COMMAND,
        later: Callable[[float, Callable[[], None]], Timer] | None = None,
    ) -> None:
        self._schemes, self._allow, self._seconds, self._command = schemes, allow, seconds, command
        self._later = later
        self._idle: Timer | None = None
        self._warm: Warm | None = None
        self._starting = asyncio.Lock()
        self._under_way = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the warm process and its senders."""
        if self._idle:
            self._idle.cancel()
        if self._warm:
            self._warm.kill()
            await self._warm.ended()

    async def send(self, url: str, message: Message) -> Outcome:
        """Send one message once, and return the outcome. The URL is passed through a socket, so that no process list shows it."""
        self._begin()
        try:
            async with asyncio.timeout(self._seconds):
                warm, seconds = await self._ready(), self._seconds + ALARM_GRACE_SECONDS
                answer, code = await warm.run(self._order(url, message, seconds), seconds)
        except TimeoutError:
            return Outcome(Result.UNKNOWN, f"the endpoint gave no answer within {self._seconds:.0f} s", hung=True)
        except OSError as error:
            return Outcome(Result.LATER, f"no process could be started to send it: {error.strerror}")
        finally:
            self._finish()
        return _outcome(answer, code)

    async def _ready(self) -> Warm:
        """Return the warm process. Start a new one if there is none. Raises OSError."""
        async with self._starting:
            if self._warm and not self._warm.usable:
                await self._warm.ended()
                self._warm = None
            if not self._warm:
                self._warm = await Warm.start(self._command)
            return self._warm

    def _begin(self) -> None:
        self._under_way += 1
        if self._idle:
            self._idle.cancel()
            self._idle = None

    def _finish(self) -> None:
        self._under_way -= 1
        if self._warm and not self._under_way:
            later = self._later or asyncio.get_running_loop().call_later
            self._idle = later(IDLE_SECONDS, self._warm.kill)

    def _order(self, url: str, message: Message, seconds: float) -> bytes:
        order = {"url": url, "title": message.title, "body": message.body, "level": message.level, "schemes": self._schemes}
        return json.dumps(order | {"allow": self._allow, "seconds": seconds}).encode()


def _outcome(answer: bytes, code: int) -> Outcome:
    try:
        reply = json.loads(answer)
        return Outcome(Result(reply["result"]), reply["why"], open=reply["open"])
    except (ValueError, KeyError, TypeError):
        return Outcome(Result.UNKNOWN, f"the sender ended without a result (exit code {code})")
