"""Sends each message in a process of its own: it can be ended whatever its endpoint does, and apprise never enters the operator's
memory. One warm process has apprise loaded and forks the others; it is started by the first message, and ended when none follows.
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
"""How long one send may take, the start of its process included."""
ALARM_GRACE_SECONDS = 1.0
"""How much later a sender ends itself, should the operator be gone."""
IDLE_SECONDS = 60.0
"""How long the warm process is kept without a send."""
COMMAND = (sys.executable, "-P", "-m", "controller.notify.sender")


class Timer(Protocol):
    """A call that was put off."""

    def cancel(self) -> None:
        """Take it back."""


class Senders:
    """Starts senders; `schemes` are the services that they may use, `allow` the addresses beside public ones.

    `later` puts off a call by so many seconds: by the running loop's clock unless another is given.
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
        """End the warm process, and with it what it may still send."""
        if self._idle:
            self._idle.cancel()
        if self._warm:
            self._warm.kill()
            await self._warm.ended()

    async def send(self, url: str, message: Message) -> Outcome:
        """Send one message once, and return what came of it. The URL travels through a socket: no list of processes shows it."""
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
        """Return the warm process, a new one where there is none. Raises OSError."""
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
        return Outcome(Result.UNKNOWN, f"the sender ended without a word (exit code {code})")
