"""Metrics about providers: their state, for how long they were closed, their agents and budgets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge

MAX_PROVIDERS = 500
"""Providers with series of their own. Those beyond the limit have none."""


class SeenProvider(NamedTuple):
    """A provider of this process now."""

    namespace: str
    name: str
    state: str
    shut: bool
    active: int
    waiting: int
    budgets: tuple[tuple[str, float], ...] = ()


class ProviderMetrics:
    """The series about providers. `monotonic` measures how long one is closed, between two reads of the metrics."""

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float] = time.monotonic) -> None:
        labels = ["namespace", "provider"]
        self._state = Gauge(
            "runwatchman_provider_state", "1 for the state that a provider has.", [*labels, "state"], registry=registry
        )
        self._agents = Gauge(
            "runwatchman_provider_agents",
            "Agents of a provider, by standing: active, waiting.",
            [*labels, "standing"],
            registry=registry,
        )
        self._budgets = Gauge(
            "runwatchman_provider_budget_used_ratio",
            "Share of a budget that is used in its window, of the limit that is used most; from 1 it is spent.",
            [*labels, "budget"],
            registry=registry,
        )
        self._closed = Counter(
            "runwatchman_provider_closed_seconds_total",
            "Time that a provider was closed or probed, so that its agents waited.",
            labels,
            registry=registry,
        )
        self._monotonic, self._at = monotonic, monotonic()
        self._known: dict[tuple[str, str], bool] = {}

    def set(self, seen: Iterable[SeenProvider]) -> None:
        """Set the series of all providers that this process writes; those of others end."""
        now = self._monotonic()
        seconds, self._at = now - self._at, now
        self._state.clear()
        self._agents.clear()
        self._budgets.clear()
        known = {}
        for each in sorted(seen)[:MAX_PROVIDERS]:
            name = (each.namespace, each.name)
            self._state.labels(*name, each.state).set(1)
            self._agents.labels(*name, "active").set(each.active)
            self._agents.labels(*name, "waiting").set(each.waiting)
            for budget, share in each.budgets:
                self._budgets.labels(*name, budget).set(share)
            self._closed.labels(*name).inc(seconds if each.shut and self._known.get(name) else 0)
            known[name] = each.shut
        for gone in self._known.keys() - known:
            self._closed.remove(*gone)
        self._known = known
