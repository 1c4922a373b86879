"""For how long a status that is only news may wait. A decision is written at once; most short Runs spare the news."""

from __future__ import annotations

LAG_SECONDS, MAX_LAG_SECONDS = 3.0, 30.0
"""How long a status may lag behind what changed without a decision, as an agent that became ready: of few Runs, and of many."""
FEW = 10
"""As many Runs may have news and be told of after the shortest lag; of twice as many, after twice that."""


class Lag:
    """Since when each Run's status has had something new to say. Times are monotonic seconds.

    Of many Runs it is said later, so that a burst is not met with a second one: `FEW / LAG_SECONDS` writes a second, as long as
    none is later than `MAX_LAG_SECONDS`.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._since: dict[str, float] = {}

    def wait(self, uid: str, now: float) -> float:
        """Return in how many seconds to write what a Run's status has to say now; 0 or less for at once.

        The first word on a Run is never late.
        """
        if uid not in self._known:
            return 0.0
        since = self._since.setdefault(uid, now)
        return since + min(LAG_SECONDS * max(1.0, len(self._since) / FEW), MAX_LAG_SECONDS) - now

    def written(self, uid: str) -> None:
        """A status was written: what it says is no news any more."""
        self._known.add(uid)
        self.nothing_new(uid)

    def nothing_new(self, uid: str) -> None:
        """A status says what is the case, perhaps again."""
        self._since.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Keep nothing of a Run."""
        self._known.discard(uid)
        self.nothing_new(uid)
