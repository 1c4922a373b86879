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
        self._unseen: dict[RunKey, float] = {}
        """Since when a change that may need an update waits for the next reconcile."""
        self._seen: dict[RunKey, float] = {}
        """The same, of the changes that the current or last reconcile has seen."""

    def wait(self, run: RunKey, now: float) -> float:
        """Return in how many seconds to write a Run's pending update; 0 or less means now.

        The first status of a Run is delayed only where its agents have just been started.
        """
        if run not in self._written:
            return 0.0
        if run not in self._since:
            self._since[run] = self._seen.pop(run, now)
            self._crowds[run.namespace] += 1
        return self._due(run, self._since[run], self._before(run.namespace, self._crowds[run.namespace])) - now

    def defer(self, run: RunKey, now: float) -> float:
        """Return in how many seconds to reconcile a Run after a change that its status alone may show; at most `LAG_SECONDS`.

        If the reconcile finds an update, it is as old as the change: it comes no later than after a reconcile at once.
        """
        if run not in self._written:
            return 0.0
        since = self._since.get(run, self._unseen.setdefault(run, now))
        crowd = self._before(run.namespace, self._crowds[run.namespace] + (run not in self._since))
        return min(max(self._due(run, since, crowd) - now, 0.0), LAG_SECONDS)

    def begin(self, run: RunKey) -> None:
        """Record that a reconcile begins, which sees every change until now."""
        if run in self._unseen:
            self._seen.setdefault(run, self._unseen.pop(run))

    def started(self, run: RunKey, now: float) -> None:
        """Record that agents were started without a write: the first status has time from here."""
        self._written.setdefault(run, now)

    def written(self, run: RunKey, now: float) -> None:
        """Record that a status was written; nothing is pending any longer."""
        self._written[run] = now
        self.nothing_new(run)

    def nothing_new(self, run: RunKey) -> None:
        """Record that a status needs no update."""
        self._seen.pop(run, None)
        if self._since.pop(run, None) is None:
            return
        self._crowds[run.namespace] -= 1
        if not self._crowds[run.namespace]:
            del self._crowds[run.namespace]

    def forget(self, run: RunKey) -> None:
        """Keep nothing of a Run."""
        self._written.pop(run, None)
        self._unseen.pop(run, None)
        self.nothing_new(run)

    def _due(self, run: RunKey, since: float, crowd: int) -> float:
        """Return when to write an update that is pending since a time, after so many Runs."""
        in_turn = since + max(min(SECONDS_EACH * crowd, MAX_LAG_SECONDS), LEAST_SECONDS_EACH * crowd)
        return max(self._written[run] + LAG_SECONDS, in_turn)

    def _before(self, namespace: str, own: int) -> int:
        """Return the number of pending Runs that come before the last of `own` ones of a namespace, including it."""
        others = sum(min(crowd, own) for each, crowd in self._crowds.items() if each != namespace)
        return others + own
