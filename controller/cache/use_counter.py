"""Counts what the agents of one provider use, against its budgets. It survives the operator and the Runs that it counts.

Sums grow only by the difference between what an agent has used and what was counted of it. What was counted is kept by Run and
agent, in the provider's status together with the sums, in one write. A crash loses the differences since that write, and the
operator that takes over finds them again, because reports and Runs state totals. So nothing is counted twice. What a Run used since
the last write is lost if the Run is deleted before an operator has read it again, and nothing else.

An entry is removed when its Run is gone, or some time after the Run has finished. A finished Run without an entry is not counted
if it finished that long before the last write: its entry was there once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from controller.api.budget import MAX_COUNTED, Budget, CountedUse, WindowStatus
from controller.plan.providers.budgets import current_window, selects, updated, using
from controller.plan.providers.spending import NOTHING, AgentUse, Spent

KEPT_AFTER_END = timedelta(minutes=10)
"""How long a finished Run's entry is kept. A Run's end is saved some moments after the time that it states, and clocks differ."""


Exists = Callable[[str], bool]
"""Whether anything of a Run is left, by its UID: the Run, a pod or a report."""


class AgentKey(NamedTuple):
    """An agent of a Run, by the Run's UID: a later Run of the same name is counted anew."""

    run_uid: str
    agent: str


class UseCounter:
    """The count of one provider: `windows` with their sums, and `counted`, the use that the sums contain.

    Before the first `counted_at`, the use that is seen is only noted: budgets count from the moment at which they are first seen.
    """

    def __init__(self) -> None:
        self.windows: tuple[WindowStatus, ...] = ()
        self.counted: dict[AgentKey, AgentUse] = {}
        self.counted_at: datetime | None = None
        self.changed = False
        self._budgets: tuple[Budget, ...] = ()
        self._uncounted: dict[str, Spent] = {}
        self._finished: dict[str, datetime] = {}

    def load(self, budgets: tuple[Budget, ...], windows: Iterable[WindowStatus], counted: CountedUse | None) -> None:
        """Take the count over as it was saved. All that is known of the provider's agents is to be observed after it."""
        self.windows, self.changed = tuple(windows), False
        self.counted_at = counted.at if counted else None
        self.counted = {_key(text): _use(numbers) for text, numbers in counted.agents.items()} if counted else {}
        self._budgets, self._uncounted, self._finished = budgets, {}, {}

    def follow(self, budgets: tuple[Budget, ...], now: datetime) -> None:
        """Bring the windows to a moment: new ones begin, and the use that was observed is added to those of now."""
        same = budgets == self._budgets and [budget.name for budget in budgets] == [window.budget for window in self.windows]
        if same and not self._uncounted and all(window.start <= now < window.end for window in self.windows):
            return
        before, self._budgets = self.windows, budgets
        self.windows = tuple(self._window(budget, now) for budget in budgets)
        self._uncounted = {}
        self.changed = self.changed or self.windows != before

    def observe(self, key: AgentKey, seen: AgentUse, labels: Mapping[str, str], finished_at: datetime | None = None) -> None:
        """Count what an agent has used by a report, its pod or its Run. It may be old, or the same as before."""
        if finished_at:
            self._finished[key.run_uid] = finished_at
        known = self.counted.get(key)
        if known is None and (seen.total == NOTHING or self._is_over(key.run_uid, self.counted_at)):
            return
        use = (known or AgentUse()).seeing(seen)
        if use == known:
            return
        self.counted[key], self.changed = use, True
        if self.counted_at:
            self._add(use.total.beyond(known.total if known else NOTHING), labels)

    def to_save(self, now: datetime, exists: Exists) -> CountedUse:
        """Return what is to be saved with `windows` at a moment. Call `mark_saved` or `mark_unsaved` after it."""
        self.follow(self._budgets, now)
        self.changed = False
        kept = [item for item in self.counted.items() if not self._is_needless(item[0], now, exists)]
        most = sorted(kept, key=lambda item: item[1].total, reverse=True)[:MAX_COUNTED]
        return CountedUse(at=now, agents={_text(key): _numbers(use) for key, use in most})

    def mark_saved(self, counted: CountedUse, exists: Exists) -> None:
        """Continue from a count that the API server has stored."""
        self.counted_at = counted.at
        for key in [key for key in self.counted if self._is_needless(key, counted.at, exists)]:
            del self.counted[key]
        runs = {key.run_uid for key in self.counted}
        self._finished = {uid: at for uid, at in self._finished.items() if uid in runs}

    def mark_unsaved(self) -> None:
        """Note that the API server has not stored the count."""
        self.changed = True

    def _is_needless(self, key: AgentKey, now: datetime, exists: Exists) -> bool:
        return self._is_over(key.run_uid, now) or not exists(key.run_uid)

    def _is_over(self, run_uid: str, now: datetime | None) -> bool:
        """Whether a Run finished so long before a count that its entry was removed by it."""
        finished = self._finished.get(run_uid)
        return bool(finished and now and finished < now - KEPT_AFTER_END)

    def _add(self, more: Spent, labels: Mapping[str, str]) -> None:
        for budget in self._budgets:
            if selects(budget, labels):
                self._uncounted[budget.name] = self._uncounted.get(budget.name, NOTHING).plus(more)

    def _window(self, budget: Budget, now: datetime) -> WindowStatus:
        window = current_window(budget, self.windows, now)
        return updated(budget, using(window, self._uncounted.get(budget.name, NOTHING)), now)


def _text(key: AgentKey) -> str:
    return f"{key.run_uid}/{key.agent}"


def _key(text: str) -> AgentKey:
    uid, _, agent = text.rpartition("/")
    return AgentKey(uid, agent)


def _numbers(use: AgentUse) -> tuple[int, ...]:
    return (use.attempt, *use.before, *use.current)


def _use(numbers: tuple[int, ...]) -> AgentUse:
    attempt, before_tokens, before_cost, tokens, cost = numbers
    return AgentUse(attempt, Spent(before_tokens, before_cost), Spent(tokens, cost))
