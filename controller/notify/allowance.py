"""Pure: how many notifications of opened escalations one Run may have sent: some at once, then one now and then."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from controller.api.policy import NotificationEvent
from controller.notify.message import Message

BURST, SECONDS_EACH = 10, 60.0
"""Notifications that a Run may have at once, and the seconds in which it earns another."""

RUNS_LIMIT = 1000
"""Runs that are remembered, the latest; one that is forgotten begins anew."""


@dataclass(slots=True)
class _Bucket:
    left: float
    seen: float
    left_out: int = 0


class Allowance:
    """Counts what each Run has had. The end of a Run, which comes once, is always let through."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def admit(self, message: Message, now: float) -> Message | None:
        """Return the message to send, which names how many were left out before it; None for one that is left out."""
        if message.event is not NotificationEvent.ESCALATION_OPENED:
            return message
        bucket = self._bucket(message, now)
        if bucket.left < 1:
            bucket.left_out += 1
            return None
        bucket.left -= 1
        left_out, bucket.left_out = bucket.left_out, 0
        more = f"\n\n{left_out} more of this Run were not told: kubectl rw inbox -n {message.namespace}"
        return replace(message, body=message.body + more) if left_out else message

    def _bucket(self, message: Message, now: float) -> _Bucket:
        key = (message.namespace, message.uid)
        bucket = self._buckets.setdefault(key, _Bucket(BURST, now))
        bucket.left = min(BURST, bucket.left + (now - bucket.seen) / SECONDS_EACH)
        bucket.seen = now
        self._buckets.move_to_end(key)
        if len(self._buckets) > RUNS_LIMIT:
            self._buckets.popitem(last=False)
        return bucket
