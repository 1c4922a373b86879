"""The budgets of providers as they are now, and the Runs that wait because one is spent.

A sum follows from the count in the provider's status and from what the caches have seen since (`use_counter.py`). A start that is
decided after a report thus considers it, also before the count is saved. `reconcile/budget_keeper.py` saves it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime

from pydantic import ValidationError

from controller.api.base import JsonObject, parse
from controller.api.budget import Budget, OnSpent, WindowStatus
from controller.api.names import RunKey
from controller.api.operator_state import Usage
from controller.api.provider import ProviderSpec, ProviderStatus
from controller.api.timestamps import parse_time
from controller.cache.provider_line import ProviderKey
from controller.cache.use_counter import AgentKey, UseCounter
from controller.plan.providers.budget_words import spent_words
from controller.plan.providers.budgets import is_spent, selects, shares
from controller.plan.providers.spending import NOTHING, AgentUse, Spent
from controller.plan.reasons import Reason
from controller.plan.snapshot import HaltFacts, PodFacts, ProviderFacts, ReportFacts, RunFacts
from controller.plan.usage import tokens

Stand = tuple[Budget, WindowStatus]
"""A budget with its window."""


class ProviderBudgets:
    """The counts of all providers that have budgets.

    `altered` is called with a namespace in which a budget was spent or has room again, `recount` with one whose Runs are to be
    shown again (`see_run` and `see`). `changed` is called with a provider whose count may have to be saved.
    """

    def __init__(self, altered: Callable[[str], None], recount: Callable[[str], None]) -> None:
        self._altered, self._recount = altered, recount
        self.changed: Callable[[ProviderKey], None] = lambda _: None
        self.counters: dict[ProviderKey, UseCounter] = {}
        self._budgets: dict[ProviderKey, tuple[Budget, ...]] = {}
        self._unread: dict[ProviderKey, ProviderStatus] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._spent: dict[ProviderKey, frozenset[str]] = {}
        self.held: dict[ProviderKey, set[AgentKey]] = {}
        self._holds: dict[str, list[tuple[ProviderKey, AgentKey]]] = {}

    def see_provider(self, key: ProviderKey, spec: ProviderSpec | None, status: ProviderStatus) -> None:
        """Follow a provider's budgets. A count that another process has saved replaces this one's; None: the provider is gone.

        It is read when somebody asks for it: with shards the other replicas see each write, and need none.
        """
        if spec is None or not spec.budgets:
            self._unread.pop(key, None)
            self._budgets.pop(key, None)
            if self.counters.pop(key, None) and self._spent.pop(key, None):
                self._altered(key.namespace)
            return
        self._budgets[key] = spec.budgets
        counter, saved = self.counters.get(key), status.counted
        if counter is None or (saved and (counter.counted_at is None or saved.at > counter.counted_at)):
            self.counters.pop(key, None)
            self._unread[key] = status

    def _read(self, key: ProviderKey) -> None:
        """Take a saved count over, and count again what is known of the namespace's Runs."""
        if status := self._unread.pop(key, None):
            self.counters[key] = counter = UseCounter()
            counter.load(self._budgets[key], status.windows, status.counted)
            self._recount(key.namespace)

    def wake(self, namespace: str) -> None:
        """Have the providers of a namespace looked at: a human may have answered."""
        for key in [key for key in self._budgets if key.namespace == namespace]:
            self.changed(key)

    def see_run(self, run: RunFacts, obj: JsonObject) -> None:
        """Count what a Run states about its ended attempts, and keep its labels."""
        labels, status = obj["metadata"].get("labels") or {}, obj.get("status") or {}
        self._labels[run.uid] = labels
        finished, named = _time(status.get("completionTime")), _named(run)
        for entry in status.get("agents") or ():
            use = _recorded(entry)
            if use and entry["name"] in named:
                self._observe(ProviderKey(run.namespace, named[entry["name"]]), AgentKey(run.uid, entry["name"]), use, finished)

    def see(self, run: RunFacts, pods: Iterable[PodFacts], reports: Iterable[ReportFacts]) -> None:
        """Count what the reports of a Run's pods state."""
        named = _named(run)
        for agent, use in _reported(run.uid, pods, reports):
            if agent in named:
                self._observe(ProviderKey(run.namespace, named[agent]), AgentKey(run.uid, agent), use)

    def see_remains(self, run: RunKey, pods: Iterable[PodFacts]) -> None:
        """Count the last reports of a Run that is gone, of the agents that were counted before."""
        for agent, use in _reported(run.uid, pods, ()):
            for key, counter in self.counters.items():
                if key.namespace == run.namespace and AgentKey(run.uid, agent) in counter.counted:
                    self._observe(key, AgentKey(run.uid, agent), use)

    def forget(self, uid: str) -> None:
        """Forget the labels and the waits of a Run that is gone."""
        self._labels.pop(uid, None)
        self._release(uid)

    def _release(self, uid: str) -> None:
        for key, agent in self._holds.pop(uid, ()):
            self.held[key].discard(agent)

    def hold(self, run: RunFacts, waiting: Collection[str], now: datetime) -> dict[str, ProviderFacts]:
        """Return the agents of a Run that would start now and wait because a budget is spent, with the facts about that."""
        found: dict[str, ProviderFacts] = {}
        self._release(run.uid)
        for agent, name in _named(run).items():
            key = ProviderKey(run.namespace, name)
            if agent in waiting and (refusal := self.refusal(key, run.uid, now)):
                self.held.setdefault(key, set()).add(AgentKey(run.uid, agent))
                self._holds.setdefault(run.uid, []).append((key, AgentKey(run.uid, agent)))
                until, words = refusal
                found[agent] = ProviderFacts(
                    agent, name, admits=False, reason=Reason.PROVIDER_BUDGET_SPENT, until=until, message=words
                )
        return found

    def _observe(self, key: ProviderKey, agent: AgentKey, use: AgentUse, finished: datetime | None = None) -> None:
        if counter := self.counters.get(key):
            counter.observe(agent, use, self._labels.get(agent.run_uid, {}), finished)
            if counter.changed:
                self.changed(key)

    def stands(self, key: ProviderKey, now: datetime) -> tuple[Stand, ...]:
        """Return a provider's budgets with their windows as they are now."""
        self._read(key)
        counter = self.counters.get(key)
        if counter is None:
            return ()
        budgets = self._budgets[key]
        counter.follow(budgets, now)
        found = tuple(zip(budgets, counter.windows, strict=True))
        spent = frozenset(budget.name for budget, window in found if is_spent(budget, window))
        if spent != self._spent.get(key, frozenset()):
            self._spent[key] = spent
            self._altered(key.namespace)
            self.changed(key)
        return found

    def used(self, key: ProviderKey) -> tuple[tuple[str, float], ...]:
        """Return each budget of a provider, and the share of it that is used. Any thread may call this."""
        counter = self.counters.get(key)
        found = zip(self._budgets.get(key, ()), counter.windows if counter else (), strict=False)
        return tuple((budget.name, max(spent / limit for _, spent, limit in shares(budget, window))) for budget, window in found)

    def refusal(self, key: ProviderKey, run_uid: str, now: datetime) -> tuple[datetime, str] | None:
        """Return until when a Run's agents wait because a budget is spent, and that in words: of the one whose window ends last."""
        labels = self._labels.get(run_uid, {})
        found = [stand for stand in self.stands(key, now) if is_spent(*stand) and selects(stand[0], labels)]
        if not found:
            return None
        budget, window = max(found, key=lambda stand: stand[1].end)
        return window.end, spent_words(key.name, budget, window)

    def halt_of(self, run: RunFacts, now: datetime) -> HaltFacts | None:
        """Return the spent budget that ends the agents of a Run (onSpent Stop), as a halt."""
        labels = self._labels.get(run.uid, {})
        for name in dict.fromkeys(_named(run).values()):
            for budget, window in self.stands(ProviderKey(run.namespace, name), now):
                if budget.on_spent is OnSpent.STOP and is_spent(budget, window) and selects(budget, labels):
                    return HaltFacts("", spent_words(name, budget, window), window.spent_at, budget=True)
        return None


def _named(run: RunFacts) -> dict[str, str]:
    """Return the agents that name a provider, with it."""
    return {agent.name: agent.provider for agent in (run.spec.agents if run.spec else ()) if agent.provider}


def _time(text: object) -> datetime | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _recorded(entry: JsonObject) -> AgentUse | None:
    """Return the use of an agent's ended attempts by its Run's status; None if it has none, or if the status is damaged."""
    try:
        usage, attempt = parse(Usage, entry["usage"]), int(entry.get("attempt", 0))
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
    return AgentUse(attempt + ("outcome" in entry), _spent(usage), NOTHING)


def _reported(run_uid: str, pods: Iterable[PodFacts], reports: Iterable[ReportFacts]) -> Iterator[tuple[str, AgentUse]]:
    """Yield what each report states about its attempt, if the attempt's pod is known."""
    known = {pod.uid: pod for pod in pods if pod.run_uid == run_uid and not pod.task}
    last = (pod.last_report for pod in known.values())
    for report in (*reports, *last):
        pod = known.get(report.pod_uid) if report else None
        if report and report.usage and pod and (pod.agent, pod.attempt) == (report.agent, report.attempt):
            yield report.agent, AgentUse(report.attempt, NOTHING, _spent(report.usage))


def _spent(usage: Usage) -> Spent:
    return Spent(tokens(usage), usage.cost_micro_usd)
