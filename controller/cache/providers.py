"""The providers, their state as it is now, and which agents may start.

A provider's state follows from its status in the cluster and from what the caches have seen since (`plan/providers/states.py`), so
a limit holds every start that this process decides after it, also before the status is written. `reconcile/provider_writer.py`
writes the status. Only a probe waits for that: it must be on record before it starts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.api.provider import ProbeStatus, ProviderState, ProviderStatus
from controller.api.run import Agent
from controller.api.timestamps import EARLIEST
from controller.cache.known_provider import KnownProvider, known_provider, unread_provider
from controller.cache.object_store import Entry, ObjectStore
from controller.cache.provider_budgets import ProviderBudgets
from controller.cache.provider_line import Place, ProviderKey, ProviderLine, run_of
from controller.plan.context import PlanContext
from controller.plan.providers import probing, starts, turns
from controller.plan.providers.probing import ProbingRun
from controller.plan.providers.states import Attempt, Evidence, Seen, Signal, next_status, still_matter
from controller.plan.snapshot import PodFacts, ProviderFacts, ReportFacts, RunFacts, Snapshot


class Providers:
    """The providers and the agents that name them.

    `notify` is called with each Run whose agent's turn has come, `altered` with a namespace in which a user has created, deleted
    or changed a provider. `run_of_probe` returns the Run of a probe from the caches. `changed` is called when the writer of a
    provider has to look at it.
    """

    def __init__(
        self,
        notify: Callable[[RunKey], None],
        run_of_probe: Callable[[RunKey], ProbingRun | None],
        altered: Callable[[str], None] = lambda _: None,
        unreadable: Callable[[JsonObject, str], None] = lambda *_: None,
        recount: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._notify, self._run_of_probe, self._altered = notify, run_of_probe, altered
        self.budgets = ProviderBudgets(altered, recount)
        self.budgets.changed = self._note
        self.objects: ObjectStore[KnownProvider] = ObjectStore(known_provider, unread_provider, self._see_provider, unreadable)
        self.changed: Callable[[ProviderKey], None] = lambda _: None
        self._known: dict[ProviderKey, KnownProvider] = {}
        self._status: dict[ProviderKey, ProviderStatus] = {}
        self._lines: defaultdict[ProviderKey, ProviderLine] = defaultdict(ProviderLine)
        self._named: dict[str, set[ProviderKey]] = {}

    def _note(self, key: ProviderKey) -> None:
        self.changed(key)

    def exist_in(self, namespace: str) -> bool:
        """Whether a namespace has a provider."""
        return any(key.namespace == namespace for key in self._known)

    def names(self) -> tuple[ProviderKey, ...]:
        """Return all providers. Any thread may call this."""
        return tuple(self._known)

    def known(self, key: ProviderKey) -> KnownProvider | None:
        """Return a provider as it is in the cluster."""
        return self._known.get(key)

    def unreadable(self, key: ProviderKey) -> bool:
        """Whether a provider's limits are not known. Any thread may call this."""
        known = self._known.get(key)
        return known is not None and bool(known.unreadable)

    def status(self, key: ProviderKey) -> ProviderStatus:
        """Return a provider's state as it is now, with its agents."""
        line = self._lines.get(key) or ProviderLine()
        waits = line.waits + len(self.budgets.held.get(key, ()))
        return self._status[key].model_copy(update={"active_agents": len(line.active), "waiting_agents": waits})

    def status_of(self, key: ProviderKey) -> ProviderStatus | None:
        """Return a provider's state as it is now, None if it is gone. Any thread may call this."""
        try:
            return self.status(key)
        except KeyError:
            return None

    def see(self, run: RunFacts, pods: Iterable[PodFacts], reports: Iterable[ReportFacts], reason: str = "") -> None:
        """Update the agents of a Run by its pods and reports. They wait until it is planned if its status has such a `reason`."""
        named = {ProviderKey(run.namespace, a.provider): a for a in _agents(run) if a.provider}
        if not named and run.uid not in self._named:
            return
        pods = [pod for pod in pods if pod.run_uid == run.uid and not pod.task]
        for agent in _agents(run):
            if agent.provider:
                self._see_agent(ProviderKey(run.namespace, agent.provider), run, agent, pods, reports, reason)
        self._named[run.uid] = set(named)

    def _see_agent(
        self,
        key: ProviderKey,
        run: RunFacts,
        agent: Agent,
        pods: list[PodFacts],
        reports: Iterable[ReportFacts],
        reason: str,
    ) -> None:
        line, place = self._lines[key], Place(run.uid, agent.name)
        own = [pod for pod in pods if pod.agent == agent.name]
        changed = line.set_active(place, active=any(not (pod.gated or pod.agent_ended) for pod in own))
        if reason.startswith("Provider") and place not in line.active | line.waiting.keys() | line.admitted.keys():
            line.presumed.add(place)
        known = [r for r in (*reports, *(pod.last_report for pod in own)) if r and (r.run_uid, r.agent) == place]
        for report in sorted(known, key=lambda r: (r.attempt, r.seq)):
            changed |= _see_limit(line, place, run, report) and self._matters(key, line.signals[place])
        probe = self._status[key].probe if key in self._status else None
        if changed or (probe and (probe.run_uid, probe.agent) == place):
            self.changed(key)

    def _matters(self, key: ProviderKey, signal: Signal) -> bool:
        """Whether a limit may change the state of a provider."""
        known = self._known.get(key)
        return known is not None and bool(still_matter((signal,), self._status[key], known.created_at))

    def forget(self, uid: str) -> None:
        """Forget a Run that is gone."""
        self.budgets.forget(uid)
        for key in self._named.pop(uid, ()):
            if self._lines[key].forget(uid):
                self.changed(key)
            if self._lines[key].empty and key not in self._known:
                del self._lines[key]

    def release(self, run: RunKey) -> None:
        """Remove a Run's agents that wait or are admitted: another replica reconciles it now."""
        for key in self._named.get(run.uid, ()):
            line = self._lines[key]
            for place in [p for p in (*line.waiting, *line.admitted, *line.presumed) if p.run_uid == run.uid]:
                line.leave(place)

    def admitted(self, snapshot: Snapshot, now: datetime) -> Snapshot:
        """Return the snapshot with the facts about its agents' providers. An agent that may start has a place from now on."""
        agents = [(index, agent) for index, agent in enumerate(_agents(snapshot.run)) if agent.provider]
        if not agents:
            return snapshot
        waiting = {agent.name for agent in starts.waiting(PlanContext(snapshot, now))}
        held = self.budgets.hold(snapshot.run, waiting, now)
        want = waiting - held.keys()
        for index, agent in agents:
            self._line_up(snapshot, index, agent, wants=agent.name in want)
        facts = (held.get(agent.name) or self._facts(snapshot, agent, agent.name in want, now) for _, agent in agents)
        return replace(snapshot, providers=tuple(facts))

    def _line_up(self, snapshot: Snapshot, index: int, agent: Agent, *, wants: bool) -> None:
        run, key = snapshot.run, ProviderKey(snapshot.run.namespace, agent.provider or "")
        line, place = self._lines[key], Place(run.uid, agent.name)
        self._named.setdefault(run.uid, set()).add(key)
        attempt = _attempt(snapshot, agent.name)
        if not wants or key not in self._known:
            if line.leave(place):
                self.changed(key)
        elif place not in line.admitted or line.admitted[place].attempt != attempt:
            new = place not in line.waiting
            line.wait(place, attempt, index, run.created_at or EARLIEST)
            if new:
                self.changed(key)

    def _facts(self, snapshot: Snapshot, agent: Agent, wants: bool, now: datetime) -> ProviderFacts:
        name = agent.provider or ""
        key, place = ProviderKey(snapshot.run.namespace, name), Place(snapshot.run.uid, agent.name)
        provider = self._known.get(key)
        if provider is None or not wants:
            return ProviderFacts(agent.name, name, exists=provider is not None)
        if provider.unreadable:
            return turns.unreadable(agent.name, name, provider.unreadable)
        status, line = self.advance(key, now), self._lines[key]
        if place in line.admitted:
            return ProviderFacts(agent.name, name)
        attempt, ahead = _attempt(snapshot, agent.name), line.order.index(place)
        places = turns.Places(line.taken, ahead, line.next_start, provider.status.probe)
        facts = turns.admission(name, provider.spec, status, attempt, places, now)
        if facts.admits:
            line.admit(place, now)
            line.next_start = now + turns.interval(provider.spec)
        return facts

    def advance(self, key: ProviderKey, now: datetime) -> ProviderStatus:
        """Return the state of a provider that follows from everything that is known now."""
        provider, line, before = self._known[key], self._lines[key], self._status[key]
        due = before.state is ProviderState.CLOSED and before.closed_until is not None and now >= before.closed_until
        turn = line.first(provider.spec) if due or before.state is ProviderState.PROBING or line.signals else None
        seen = Seen(provider.created_at, tuple(line.signals.values()), partial(self._evidence, key, now=now), turn, line.waits > 0)
        status = self._status[key] = next_status(provider.spec, before, seen, now)
        if status.state is ProviderState.REOPENING and (line.next_start is None or before.state is not status.state):
            line.next_start = now + turns.interval(provider.spec)
        elif status.state in (ProviderState.CLOSED, ProviderState.PROBING) and status.state is not before.state:
            line.revoke()  # Nothing that has not started may start now.
        if line.signals:
            kept = {signal.by for signal in still_matter(line.signals.values(), status, provider.created_at)}
            line.signals = {place: signal for place, signal in line.signals.items() if signal.by in kept}
        if status != before:
            self.changed(key)
        return status

    def tick(self, key: ProviderKey, now: datetime) -> datetime | None:
        """Advance a provider, and have the Runs looked at whose turn has come; return when to do so again at the latest."""
        if self._known[key].unreadable:
            return None
        self._lines[key].expire(now)
        status, line, provider = self.advance(key, now), self._lines[key], self._known[key]
        for place in {*line.call(provider.spec, status.state, now), *self._uninformed(key, status)}:
            self._notify(run_of(key, line.waiting[place].attempt))
        if (probe := status.probe) and probe == provider.status.probe and Place(probe.run_uid, probe.agent) in line.waiting:
            self._notify(RunKey(key.namespace, probe.run, probe.run_uid))
        return min((moment for moment in self._due(key, status) if moment), default=None)

    def _uninformed(self, key: ProviderKey, status: ProviderStatus) -> Iterable[Place]:
        """Return the waiting agents if their Runs show another state of the provider."""
        line, now = self._lines[key], (status.state, status.closed_until)
        before, line.shown = line.shown, now
        return line.waiting.keys() if before not in (now, (None, None)) else ()

    def _due(self, key: ProviderKey, status: ProviderStatus) -> Iterator[datetime | None]:
        line, spec = self._lines[key], self._known[key].spec
        yield line.due_at()
        if status.state is ProviderState.CLOSED and line.waiting:
            yield status.closed_until
        if status.state is ProviderState.REOPENING and line.waiting:
            yield line.next_start
        if status.state is ProviderState.PROBING and (probe := status.probe):
            yield probing.due_at(spec, probe, self._run_of_probe(RunKey(key.namespace, probe.run, probe.run_uid)))

    def _evidence(self, key: ProviderKey, probe: ProbeStatus, now: datetime) -> Evidence:
        run = self._run_of_probe(RunKey(key.namespace, probe.run, probe.run_uid))
        return probing.evidence(self._known[key].spec, probe, run, now)

    def _see_provider(self, _: str, old: Entry[KnownProvider] | None, new: Entry[KnownProvider] | None, __: RunKey | None) -> None:
        entry = new or old
        if entry is None:
            return
        key = ProviderKey(entry.namespace, entry.name)
        if new:
            self._known[key], self._status[key] = new.value, new.value.status
            self.budgets.see_provider(key, None if new.value.unreadable else new.value.spec, new.value.status)
            if new.value.unreadable:
                self._lines[key].revoke()
        else:
            self.budgets.see_provider(key, None, ProviderStatus())
            del self._known[key], self._status[key]
            line = self._lines[key]
            for place in [*line.admitted]:
                line.leave(place)
        if old is None or new is None or old.value.limits != new.value.limits:
            self._altered(key.namespace)
        self.changed(key)


def _agents(run: RunFacts) -> tuple[Agent, ...]:
    return run.spec.agents if run.spec else ()


def _attempt(snapshot: Snapshot, agent: str) -> Attempt:
    state = snapshot.state.agents.get(agent) if snapshot.state else None
    return Attempt(snapshot.run.name, snapshot.run.uid, agent, state.attempt if state else 0)


def _see_limit(line: ProviderLine, place: Place, run: RunFacts, report: ReportFacts) -> bool:
    """Keep the limit of a report. The time of the first report of it counts: later ones measure its age altered."""
    by, limit, old = Attempt(run.name, run.uid, report.agent, report.attempt), report.limit, line.signals.get(place)
    if limit is None:
        return False
    signal = Signal(by, limit.kind, limit.at, limit.resets_at, limit.message)
    if old and old.by == by and abs((old.at - signal.at).total_seconds()) <= SAME_SECONDS:
        return False
    line.signals[place] = signal
    return True


SAME_SECONDS = 3
"""Limits of one attempt that differ by less are the same one."""
