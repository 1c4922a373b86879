"""Sends messages in the background, with one lane for each destination, so that a slow endpoint delays others only a little.

Namespaces take turns at the senders, and the last free sender is reserved for a namespace that has none.

Nothing is persisted: a message that is queued when the operator ends is lost, and never sent twice.
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
from controller.api.notification import Notification
from controller.kube.client import Client
from controller.kube.event_recorder import record_warning
from controller.notify.allowance import Allowance
from controller.notify.delivery_result import Outcome, Result
from controller.notify.destination import Destination, read_url
from controller.notify.message import Message, linked
from controller.observability.metrics import Metrics

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 500
"""Maximum queued messages. A message has at most about 8 KB."""
SENDERS, SLOW_SENDERS = 3, 1
"""Concurrent sends, and those to destinations whose last send hung. Each is a process with about 8 MB of its own."""
PAUSES = (2.0, 10.0, 30.0)
"""Seconds before the second, third and last attempt to send a message that nobody received."""
CLOSE_SECONDS = 5.0
"""Time on shutdown to send the queued messages."""
TROUBLES_LIMIT = 1000
"""Maximum destinations whose last failure is remembered, the latest."""

Send = Callable[[str, Message], Awaitable[Outcome]]


class Notifier:
    """Sends each message at most once, and never makes its caller wait."""

    def __init__(
        self,
        client: Client,
        metrics: Metrics,
        send: Send,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        page_url: str = "",
    ) -> None:
        self._client, self._metrics, self._send, self._sleep = client, metrics, send, sleep
        self._monotonic, self._allowance, self._page_url = monotonic, Allowance(), page_url
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
        """Send the queued messages, for at most CLOSE_SECONDS."""
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=CLOSE_SECONDS)

    def enqueue(self, message: Message, targets: tuple[Notification, ...]) -> None:
        """Queue a message for all targets, unless its Run has exceeded its rate. Never waits, never raises."""
        admitted = self._allowance.admit(message, self._monotonic())
        if admitted is None:
            self._drop(message)
            return
        for destination in dict.fromkeys(
            Destination(message.namespace, notification.secret_name, notification.secret_key) for notification in targets
        ):
            self._enqueue(destination, linked(admitted, self._page_url))

    def _enqueue(self, destination: Destination, message: Message) -> None:
        if sum(map(len, self._waiting.values())) >= QUEUE_LIMIT:
            # The longest lane loses a message, so that no namespace can displace another's messages.
            self._drop(max(self._waiting.values(), key=len).popleft())
        if destination in self._waiting:
            self._waiting[destination].append(message)
            return
        self._waiting[destination] = deque([message])
        lane = asyncio.create_task(self._work(destination), name=f"notify {destination}")
        self._lanes.add(lane)
        lane.add_done_callback(partial(self._ended, destination))

    async def _work(self, destination: Destination) -> None:
        """Send the queued messages for one destination, in order."""
        waiting = self._waiting[destination]
        while waiting:
            await self._deliver(destination, waiting.popleft())

    def _ended(self, destination: Destination, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        for message in self._waiting.pop(destination):
            self._drop(message)
        if not lane.cancelled() and (error := lane.exception()):
            log.error("notifications failed unexpectedly", place=str(destination), error=type(error).__name__)

    async def _deliver(self, destination: Destination, message: Message) -> None:
        try:
            outcome = await self._send_with_retries(destination, message)
        except asyncio.CancelledError:
            self._drop(message)
            raise
        self._count(message, outcome.result)
        if outcome.result is Result.SENT:
            self._troubles.pop(destination, None)
        else:
            await self._report(destination, message, outcome)

    async def _send_with_retries(self, destination: Destination, message: Message) -> Outcome:
        """Send until the message may have been received, or retrying is useless."""
        outcome = await self._send_once(destination, message)
        for pause in PAUSES:
            if outcome.result is not Result.LATER:
                break
            await self._sleep(pause)
            outcome = await self._send_once(destination, message)
        return outcome

    async def _send_once(self, destination: Destination, message: Message) -> Outcome:
        url = await read_url(self._client, destination)
        if isinstance(url, Outcome):
            return url
        known = self._troubles.get(destination)
        senders = self._slow if known and known.hung else self._quick
        async with senders.place(destination.namespace, str(destination), math.inf):
            return await self._send(url, message)

    async def _report(self, destination: Destination, message: Message, outcome: Outcome) -> None:
        """Report a failure of a destination: in the log once for each cause, and in an Event of the Run."""
        before = self._troubles.pop(destination, None)
        self._troubles[destination] = outcome
        if len(self._troubles) > TROUBLES_LIMIT:
            del self._troubles[next(iter(self._troubles))]
        if before != outcome:
            log.warning("notification not sent", place=str(destination), run=message.run, result=outcome.result, error=outcome.why)
        text = f"{message.event.value} notification failed: {destination}: {outcome.public_reason}"
        about = (message.namespace, message.run, message.uid)
        await record_warning(self._client, about, "NotificationFailed", text, kind=message.kind)

    def _drop(self, message: Message) -> None:
        self._count(message, Result.DROPPED)
        log.warning("notification dropped", namespace=message.namespace, run=message.run, event_type=message.event.value)

    def _count(self, message: Message, result: Result) -> None:
        self._metrics.notifications.labels(message.event.value, result.value).inc()
