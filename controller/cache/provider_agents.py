"""The agents that name a provider, as they are cached: what changed of their Runs, pods and reports is passed to the providers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.active_runs import QueuedRun, is_to_run
from controller.cache.entries import CachedRun
from controller.cache.halts import Halts
from controller.cache.providers import Providers
from controller.plan.providers.probing import ProbingRun
from controller.plan.snapshot import PodFacts, ReportFacts, RunFacts


class CachedRuns(Protocol):
    """What is cached of Runs."""

    @property
    def halts(self) -> Halts:
        """The halts in force."""

    def run(self, key: RunKey) -> CachedRun | None:
        """Return a cached Run, None if it is gone."""

    def pods_of(self, run: RunKey) -> tuple[PodFacts, ...]:
        """Return the pods of a Run."""

    def reports_of(self, run: RunKey) -> tuple[ReportFacts, ...]:
        """Return the reports of a Run's agents."""

    def left_in(self, namespace: str) -> Iterable[RunKey]:
        """Return the Runs of a namespace of which anything is left: the Run itself, or a pod."""

    def notify_all(self, namespace: str | None = None) -> None:
        """Have every Run (of a namespace) looked at again."""


class ProviderAgents:
    """Keeps `providers` up to date with the agents in a cache. The other arguments are those of Providers."""

    def __init__(self, cache: CachedRuns, notify: Callable[[RunKey], None], unreadable: Callable[[JsonObject, str], None]) -> None:
        self._cache = cache
        self.providers = Providers(notify, self._probing_run, cache.notify_all, unreadable, self._recount)

    def see_run(self, run: QueuedRun, *, new: bool) -> None:
        """Update the agents of a Run that has changed. A new one's status may show that an earlier process had them wait."""
        if _has_provider(run.facts):
            self.providers.budgets.see_run(run.facts, run.obj)
            self.see(run.facts.key, str(run.obj.get("status", {}).get("reason", "")) if new else "")

    def see(self, key: RunKey, reason: str = "") -> None:
        """Update the agents of a Run of which a pod or a report has changed."""
        run = self._cache.run(key)
        if run and _has_provider(run.facts):
            self.providers.see(run.facts, self._cache.pods_of(key), self._cache.reports_of(key), reason)
        self._count(key)

    def _count(self, key: RunKey) -> None:
        """Count what the reports of a Run's pods state. Of a Run that is gone, the pods have the last reports."""
        run = self._cache.run(key)
        if run is None:
            self.providers.budgets.see_remains(key, self._cache.pods_of(key))
        elif _has_provider(run.facts):
            self.providers.budgets.see(run.facts, self._cache.pods_of(key), self._cache.reports_of(key))

    def _recount(self, namespace: str) -> None:
        """Count what the agents of a namespace have used again: a count was read that another process has saved."""
        for key in self._cache.left_in(namespace):
            run = self._cache.run(key)
            if run and _has_provider(run.facts):
                self.providers.budgets.see_run(run.facts, run.obj)
            self._count(key)

    def _probing_run(self, key: RunKey) -> ProbingRun | None:
        """Return the Run of a probe, None if it is gone."""
        run = self._cache.run(key)
        if run is None or run.facts.gone:
            return None
        candidate = run.candidate
        wants = (candidate.wants or candidate.active) and not self._cache.halts.of(key.namespace) and is_to_run(run.facts)
        return ProbingRun(wants, self._cache.pods_of(key), self._cache.reports_of(key))


def _has_provider(run: RunFacts) -> bool:
    """Return whether an agent of the Run names a provider."""
    return run.spec is not None and any(agent.provider for agent in run.spec.agents)
