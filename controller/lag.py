"""For how long a status that is only news may wait. A decision is written at once; most short Runs spare the news."""

from __future__ import annotations

LAG_SECONDS = 3.0
"""How long after its last write a status may lag behind what changed without a decision, such as an agent that became ready."""
SECONDS_EACH, MAX_LAG_SECONDS = 0.3, 30.0
"""How long news wait for each Run that has some, and the most of it, as long as an API server takes that many."""
LEAST_SECONDS_EACH = 0.03
"""What they wait for each, however many: a small API server takes some thirty writes a second (docs/performance.md)."""


class Lag:
    """When each Run's status was written, and since when it has had something new to say. Times are monotonic seconds.

    Of many Runs it is said later, so that a burst is not met with a second one: some three writes a second, as long as none is
    later than `MAX_LAG_SECONDS`; of more than a thousand no more than an API server takes, which has decisions to take too.
    """

    def __init__(self) -> None:
        self._written: dict[str, float] = {}
        self._since: dict[str, float] = {}

    def wait(self, uid: str, now: float) -> float:
        """Return in how many seconds to write what a Run's status has to say now; 0 or less for at once.

        The first word on a Run is never late.
        """
        if uid not in self._written:
            return 0.0
        since = self._since.setdefault(uid, now)
        crowd = len(self._since)
        in_turn = since + max(min(SECONDS_EACH * crowd, MAX_LAG_SECONDS), LEAST_SECONDS_EACH * crowd)
        return max(self._written[uid] + LAG_SECONDS, in_turn) - now

    def written(self, uid: str, now: float) -> None:
        """A status was written: what it says is no news any more."""
        self._written[uid] = now
        self.nothing_new(uid)

    def nothing_new(self, uid: str) -> None:
        """A status says what is the case, perhaps again."""
        self._since.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Keep nothing of a Run."""
        self._written.pop(uid, None)
        self.nothing_new(uid)
