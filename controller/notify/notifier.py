"""Sends messages beside the operator's work, one lane a place: what one endpoint makes others wait for is bounded.

Namespaces take turns at the senders, and the last free one is kept for a namespace that has none.

It keeps nothing: a message that waits when the operator ends is lost, and never sent twice.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

import structlog

from controller.adapter.fair_semaphore import FairSemaphore
from controller.api.policy import Notification
from controller.kube.client import Client
from controller.kube.event_recorder import record_warning
from controller.notify.allowance import Allowance
from controller.notify.delivery_result import Outcome, Result
from controller.notify.destination import Destination, read_url
from controller.notify.message import Message
from controller.observability.metrics import Metrics

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 500
"""Messages that may wait; one is at most some 8 KB."""
SENDERS, SLOW_SENDERS = 3, 1
"""Sends at once, and those among places whose last one hung: each is a process, which holds some 8 MB of its own."""
PAUSES = (2.0, 10.0, 30.0)
"""Seconds before the second, third and last try of a message that nobody took."""
CLOSE_SECONDS = 5.0
"""How long the end may take to send what waits."""
TROUBLES_LIMIT = 1000
"""Places whose trouble is remembered, the latest."""

Send = Callable[[str, Message], Awaitable[Outcome]]


class Notifier:
    """Tells people, at most once each message, and never makes its caller wait."""

    def __init__(
        self,
        client: Client,
        metrics: Metrics,
        send: Send,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._metrics, self._send, self._sleep = client, metrics, send, sleep
        self._monotonic, self._allowance = monotonic, Allowance()
        self._waiting: dict[Destination, deque[Message]] = {}
        self._lanes: set[asyncio.Task[None]] = set()
        self._troubles: dict[Destination, Outcome] = {}
        self._quick, self._slow = (FairSemaphore(places, sys.maxsize, sys.maxsize) for places in (SENDERS, SLOW_SENDERS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.flush()
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    async def flush(self) -> None:
        """Send what waits, for at most CLOSE_SECONDS."""
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=CLOSE_SECONDS)

    def enqueue(self, message: Message, places: tuple[Notification, ...]) -> None:
        """Have a message sent to every place, some time, unless its Run has had too many. Never waits, never raises."""
        admitted = self._allowance.admit(message, self._monotonic())
        if admitted is None:
            self._drop(message)
            return
        for place in dict.fromkeys(
            Destination(message.namespace, notification.secret_name, notification.secret_key) for notification in places
        ):
            self._enqueue(place, admitted)

    def _enqueue(self, place: Destination, message: Message) -> None:
        if sum(map(len, self._waiting.values())) >= QUEUE_LIMIT:
            # The longest lane pays, so that no namespace can push out another's messages.
            self._drop(max(self._waiting.values(), key=len).popleft())
        if place in self._waiting:
            self._waiting[place].append(message)
            return
        self._waiting[place] = deque([message])
        lane = asyncio.create_task(self._work(place), name=f"notify {place}")
        self._lanes.add(lane)
        lane.add_done_callback(partial(self._ended, place))

    async def _work(self, place: Destination) -> None:
        """Send what waits for one place, in order."""
        waiting = self._waiting[place]
        while waiting:
            await self._deliver(place, waiting.popleft())

    def _ended(self, place: Destination, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        for message in self._waiting.pop(place):
            self._drop(message)
        if not lane.cancelled() and (error := lane.exception()):
            log.error("notifications failed unexpectedly", place=str(place), error=type(error).__name__)

    async def _deliver(self, place: Destination, message: Message) -> None:
        try:
            outcome = await self._send_with_retries(place, message)
        except asyncio.CancelledError:
            self._drop(message)
            raise
        self._count(message, outcome.result)
        if outcome.result is Result.SENT:
            self._troubles.pop(place, None)
        else:
            await self._report(place, message, outcome)

    async def _send_with_retries(self, place: Destination, message: Message) -> Outcome:
        """Try until somebody may have got it, or nobody will."""
        outcome = await self._send_once(place, message)
        for pause in PAUSES:
            if outcome.result is not Result.LATER:
                break
            await self._sleep(pause)
            outcome = await self._send_once(place, message)
        return outcome

    async def _send_once(self, place: Destination, message: Message) -> Outcome:
        url = await read_url(self._client, place)
        if isinstance(url, Outcome):
            return url
        known = self._troubles.get(place)
        senders = self._slow if known and known.hung else self._quick
        async with senders.place(place.namespace, str(place), math.inf):
            return await self._send(url, message)

    async def _report(self, place: Destination, message: Message, outcome: Outcome) -> None:
        """Say what is wrong with a place: in the log once a cause, and to the Run whose message was not sent."""
        before = self._troubles.pop(place, None)
        self._troubles[place] = outcome
        if len(self._troubles) > TROUBLES_LIMIT:
            del self._troubles[next(iter(self._troubles))]
        if before != outcome:
            log.warning("notification not sent", place=str(place), run=message.run, result=outcome.result, error=outcome.why)
        text = f"{message.event.value} was not told, or not for certain, through {place}: {outcome.public_reason}"
        await record_warning(self._client, (message.namespace, message.run, message.uid), "NotificationFailed", text)

    def _drop(self, message: Message) -> None:
        self._count(message, Result.DROPPED)
        log.warning("notification dropped", namespace=message.namespace, run=message.run, event_type=message.event.value)

    def _count(self, message: Message, result: Result) -> None:
        self._metrics.notifications.labels(message.event.value, result.value).inc()
