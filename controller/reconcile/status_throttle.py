"""Throttles status updates that follow from no decision.

A decision is written at once; a readiness change may wait, so that most short Runs skip it.
"""

from __future__ import annotations

from collections import Counter

from controller.api.names import RunKey

LAG_SECONDS = 3.0
"""Least time between two writes of one status if the second follows from no decision, such as an agent that became ready."""
SECONDS_EACH, MAX_LAG_SECONDS = 0.3, 30.0
"""Delay that each pending Run adds, and its limit: in a burst about three updates a second."""
LEAST_SECONDS_EACH = 0.03
"""Least delay that each pending Run adds beyond the limit: a small API server takes 30 writes a second (docs/performance.md)."""


class StatusThrottle:
    """Keeps when each Run's status was written, and since when an update is pending. Times are monotonic seconds.

    When many Runs have pending updates, the delay grows, so that a burst of Runs does not cause a burst of writes: about three
    writes a second until the delay reaches `MAX_LAG_SECONDS`. Above a thousand pending Runs the rate stays at about thirty a
    second, which leaves the API server room for decisions. Namespaces take turns: a Run waits for no more Runs of another namespace
    than of its own.
    """

    def __init__(self) -> None:
        self._written: dict[RunKey, float] = {}
        self._since: dict[RunKey, float] = {}
        self._crowds: Counter[str] = Counter()
        """The number of Runs with a pending update in each namespace."""

    def wait(self, run: RunKey, now: float) -> float:
        """Return in how many seconds to write a Run's pending update; 0 or less means now.

        The first status of a Run is never delayed.
        """
        if run not in self._written:
            return 0.0
        if run not in self._since:
            self._since[run] = now
            self._crowds[run.namespace] += 1
        crowd = self._before(run.namespace)
        in_turn = self._since[run] + max(min(SECONDS_EACH * crowd, MAX_LAG_SECONDS), LEAST_SECONDS_EACH * crowd)
        return max(self._written[run] + LAG_SECONDS, in_turn) - now

    def written(self, run: RunKey, now: float) -> None:
        """Record that a status was written; nothing is pending any longer."""
        self._written[run] = now
        self.nothing_new(run)

    def nothing_new(self, run: RunKey) -> None:
        """Record that a status needs no update."""
        if self._since.pop(run, None) is None:
            return
        self._crowds[run.namespace] -= 1
        if not self._crowds[run.namespace]:
            del self._crowds[run.namespace]

    def forget(self, run: RunKey) -> None:
        """Keep nothing of a Run."""
        self._written.pop(run, None)
        self.nothing_new(run)

    def _before(self, namespace: str) -> int:
        """Return the number of pending Runs that come before the last one of a namespace, including it."""
        own = self._crowds[namespace]
        return sum(min(crowd, own) for crowd in self._crowds.values())
