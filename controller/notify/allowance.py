"""Rate limit of notifications about one Run's opened escalations: a token bucket with burst and refill. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from controller.api.notification import NotificationEvent
from controller.notify.message import Message

BURST, SECONDS_EACH = 10, 60.0
"""The burst of notifications of a Run, and the seconds after which it may have another one."""

RUNS_LIMIT = 1000
"""Maximum Runs in memory, the latest. A Run that was dropped starts with a full bucket again."""


@dataclass(slots=True)
class _Bucket:
    left: float
    updated: float
    suppressed: int = 0


class Allowance:
    """Limits the notifications of each Run. The notification of a Run's end is always admitted, because it occurs once."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def admit(self, message: Message, now: float) -> Message | None:
        """Return the message to send, with the number of suppressed messages before it. Return None to suppress it."""
        if message.event is not NotificationEvent.ESCALATION_OPENED:
            return message
        bucket = self._bucket(message, now)
        if bucket.left < 1:
            bucket.suppressed += 1
            return None
        bucket.left -= 1
        suppressed, bucket.suppressed = bucket.suppressed, 0
        more = f"\n\n{suppressed} more of this Run were not sent: kubectl rw inbox -n {message.namespace}"
        return replace(message, body=message.body + more) if suppressed else message

    def _bucket(self, message: Message, now: float) -> _Bucket:
        key = (message.namespace, message.uid)
        bucket = self._buckets.setdefault(key, _Bucket(BURST, now))
        bucket.left = min(BURST, bucket.left + (now - bucket.updated) / SECONDS_EACH)
        bucket.updated = now
        self._buckets.move_to_end(key)
        if len(self._buckets) > RUNS_LIMIT:
            self._buckets.popitem(last=False)
        return bucket
