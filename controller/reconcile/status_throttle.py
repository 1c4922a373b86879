"""For how long a status that is only news may wait. A decision is written at once; most short Runs spare the news."""

from __future__ import annotations

from collections import Counter

from controller.api.names import RunKey

LAG_SECONDS = 3.0
"""How long after its last write a status may lag behind what changed without a decision, such as an agent that became ready."""
SECONDS_EACH, MAX_LAG_SECONDS = 0.3, 30.0
"""How long news wait for each Run that has some, and the most of it, as long as an API server takes that many."""
LEAST_SECONDS_EACH = 0.03
"""What they wait for each, however many: a small API server takes some thirty writes a second (docs/performance.md)."""


class StatusThrottle:
    """When each Run's status was written, and since when it has had something new to say. Times are monotonic seconds.

    Of many Runs it is said later, so that a burst is not met with a second one: some three writes a second, as long as none is
    later than `MAX_LAG_SECONDS`; of more than a thousand no more than an API server takes, which has decisions to take too.
    Namespaces take turns: beside a crowd of another namespace a Run waits for as many of theirs as there are of its own.
    """

    def __init__(self) -> None:
        self._written: dict[RunKey, float] = {}
        self._since: dict[RunKey, float] = {}
        self._crowds: Counter[str] = Counter()
        """How many Runs of each namespace have something new to say."""

    def wait(self, run: RunKey, now: float) -> float:
        """Return in how many seconds to write what a Run's status has to say now; 0 or less for at once.

        The first word on a Run is never late.
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
        """A status was written: what it says is no news any more."""
        self._written[run] = now
        self.nothing_new(run)

    def nothing_new(self, run: RunKey) -> None:
        """A status says what is the case, perhaps again."""
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
        """Return how many have had their turn when the last of a namespace has, itself included."""
        own = self._crowds[namespace]
        return sum(min(crowd, own) for crowd in self._crowds.values())
