"""Saves the counts of providers' budgets, asks for more, and carries answers out. `provider_writer.py` makes the writes.

1. The budgets' part of the status is made: the sums, what a warning or a question has set, and what an answer has added.
2. It is written with the rest of the status by compare-and-swap: at once if something was decided, otherwise every few seconds.
3. Only then people are warned and asked. A question is created under the name that was saved, so no crash asks twice.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from controller.api.base import JsonObject
from controller.api.budget import Budget, CountedUse, WindowStatus
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.names import RunKey, budget_escalation_name
from controller.api.notification import Notification
from controller.api.provider import ProviderStatus
from controller.api.timestamps import EARLIEST, format_time
from controller.cache.known_provider import KnownProvider
from controller.cache.provider_line import ProviderKey
from controller.cache.run_cache import RunCache
from controller.facts.pods import escalation_facts
from controller.kube.client import Client
from controller.kube.errors import AlreadyExists, NotFound
from controller.kube.event_recorder import record_provider_event
from controller.kube.resources import ESCALATIONS
from controller.notify.message import SendMessage, budget_warned, opened
from controller.plan.providers.budget_words import added, spent_words, warning
from controller.plan.providers.budgets import approved, asking, denied, is_to_ask, updated
from controller.plan.snapshot import EscalationFacts
from controller.resources.budget_escalation import build_budget_escalation

SAVE_SECONDS = 5
"""Time between two writes of sums alone."""

SUMS = ("tokens", "cost_micro_usd")


class BudgetKeeper:
    """Keeps the budgets of the providers of this process."""

    def __init__(self, client: Client, cache: RunCache, send: SendMessage) -> None:
        self._client, self._cache, self._send = client, cache, send
        self._budgets = cache.providers.budgets
        self._saving: dict[ProviderKey, CountedUse] = {}
        self._approvers: dict[tuple[ProviderKey, str], str] = {}
        """Who has approved more of a budget, until that is saved and announced."""

    async def merged(self, key: ProviderKey, known: KnownProvider, status: ProviderStatus, now: datetime) -> ProviderStatus:
        """Return the status with the budgets' part as it is to be written now; as it is in the cluster if that is not due."""
        stands = self._budgets.stands(key, now)
        counter = self._budgets.counters.get(key)
        if counter is None:
            return status.model_copy(update={"windows": (), "counted": None})
        counter.windows = tuple([await self._decided(key, known, *stand, now) for stand in stands])
        self._budgets.stands(key, now)
        decided = _without_sums(counter.windows) != _without_sums(known.status.windows) or counter.counted_at is None
        if not decided and not (counter.changed and now >= self._save_at(key)):
            return status.model_copy(update={"windows": known.status.windows, "counted": known.status.counted})
        self._saving[key] = counted = counter.to_save(now.replace(microsecond=0), self._cache.left().__contains__)
        return status.model_copy(update={"windows": counter.windows, "counted": counted})

    def due_at(self, key: ProviderKey, now: datetime) -> datetime | None:
        """Return when to look at a provider again: a window ends, or a count is to be saved."""
        ends = [window.end for _, window in self._budgets.stands(key, now)]
        counter = self._budgets.counters.get(key)
        return min([*ends, *([max(now, self._save_at(key))] if counter and counter.changed else [])], default=None)

    def _save_at(self, key: ProviderKey) -> datetime:
        return (self._budgets.counters[key].counted_at or EARLIEST) + timedelta(seconds=SAVE_SECONDS)

    async def _decided(
        self, key: ProviderKey, known: KnownProvider, budget: Budget, window: WindowStatus, now: datetime
    ) -> WindowStatus:
        """Return a window with the answer to its question, and with the question that is due."""
        uid = known.obj["metadata"]["uid"]
        if window.asked and (answer := await self._answer(key, uid, window.asked.escalation)):
            name = window.asked.escalation
            self._approvers[key, budget.name] = answer.by
            window = approved(window, name) if answer.decision is Decision.APPROVE else denied(window, name, answer.by)
        window = updated(budget, window, now)
        if is_to_ask(budget, window):
            name = budget_escalation_name(key.name, uid, budget.name, format_time(window.start), window.asks)
            window = asking(budget, window, name, now.replace(microsecond=0))
        return window

    async def _answer(self, key: ProviderKey, uid: str, name: str) -> EscalationFacts | None:
        """Return an answered question as it is in the cluster; None while it waits."""
        seen = next((e for e in self._of(key.namespace) if e.name == name), None)
        if seen is None or seen.decision is None:
            return None
        try:
            found = escalation_facts(await self._client.get(ESCALATIONS, key.namespace, name))
        except NotFound:
            return None
        ours = found.type is EscalationType.BUDGET and found.run_uid == uid
        return found if ours and found.decision else None

    def _of(self, namespace: str) -> tuple[EscalationFacts, ...]:
        return self._cache.escalations_of(RunKey(namespace, "", ""))

    def failed(self, key: ProviderKey) -> None:
        """Note that a write has failed."""
        if self._saving.pop(key, None) and (counter := self._budgets.counters.get(key)):
            counter.mark_unsaved()

    def saved(self, key: ProviderKey) -> None:
        """Continue from a status that was written, before the caches have it: it is not another process's."""
        counter = self._budgets.counters.get(key)
        if (counted := self._saving.pop(key, None)) and counter:
            counter.mark_saved(counted, self._cache.left().__contains__)

    async def announce(self, key: ProviderKey, before: ProviderStatus, status: ProviderStatus, known: KnownProvider) -> None:
        """Post what was decided by a status that was written."""
        old = {window.budget: window for window in before.windows}
        for budget, window in zip(known.spec.budgets, status.windows, strict=False):
            await self._announce(key, known, budget, old.get(window.budget), window)

    async def _announce(
        self, key: ProviderKey, known: KnownProvider, budget: Budget, old: WindowStatus | None, new: WindowStatus
    ) -> None:
        """Post the Events of a window that was saved, and warn people."""
        meta = known.obj["metadata"]
        about = {"name": key.name, "namespace": key.namespace, "uid": meta["uid"]}
        if new.spent_at and not (old and old.spent_at):
            words = spent_words(key.name, budget, new)
            await record_provider_event(self._client, about, "BudgetSpent", words, warning=True)
        elif new.warned_at and not (old and old.warned_at):
            words = warning(key.name, budget, new)
            await record_provider_event(self._client, about, "BudgetWarning", words, warning=True)
            if places := _places(known):
                self._send(budget_warned(meta, words), places)
        if old and new.denied_by and not old.denied_by:
            words = f"{new.denied_by} denied more of budget {budget.name} until {format_time(new.end)}"
            await record_provider_event(self._client, about, "BudgetDenied", words, warning=False)
        by = self._approvers.pop((key, budget.name), "")
        if old and old.asked and (new.extra_tokens, new.extra_cost_micro_usd) > (old.extra_tokens, old.extra_cost_micro_usd):
            more = added(old.asked)
            words = f"{by or 'somebody'} approved {more} more of budget {budget.name} until {format_time(new.end)}"
            await record_provider_event(self._client, about, "BudgetApproved", words, warning=False)

    async def sync_inbox(self, key: ProviderKey, known: KnownProvider, now: datetime) -> None:
        """Open the questions that were saved, and close those that are over."""
        asked = {w.asked.escalation: (b, w) for b, w in zip(known.spec.budgets, known.status.windows, strict=False) if w.asked}
        uid, inbox = known.obj["metadata"]["uid"], {e.name: e for e in self._of(key.namespace)}
        for name, (budget, window) in asked.items():
            if name not in inbox or inbox[name].phase is None:
                await self._open(known, budget, window)
        for escalation in inbox.values():
            if escalation.run_uid == uid and escalation.open and escalation.name not in asked:
                await self._set_phase(known, escalation.name, _over(escalation, now), now)

    async def _open(self, known: KnownProvider, budget: Budget, window: WindowStatus) -> None:
        """Ask. The process that opens the escalation notifies people, at most once."""
        meta, asked = known.obj["metadata"], window.asked
        if asked is None:
            return
        with suppress(AlreadyExists):
            await self._client.create(ESCALATIONS, meta["namespace"], build_budget_escalation(meta, budget, window, asked))
        await self._set_phase(known, asked.escalation, EscalationPhase.OPEN, self._client.server_now())

    async def _set_phase(self, known: KnownProvider, name: str, phase: EscalationPhase, now: datetime) -> None:
        """Write a phase over the version that was read."""
        namespace = known.obj["metadata"]["namespace"]
        try:
            found = await self._client.get(ESCALATIONS, namespace, name)
        except NotFound:
            return
        facts, opens = escalation_facts(found), phase is EscalationPhase.OPEN
        if facts.open and facts.phase is not phase and not (opens and facts.phase):
            places = _places(known) if opens else ()
            found["status"] = found.get("status", {}) | _stamped(phase, format_time(now), notified=bool(places))
            found = await self._client.replace(ESCALATIONS, namespace, name, found, subresource="status")
            if places:
                self._send(opened(found), places)
        self._cache.apply_escalation(found)


def _over(escalation: EscalationFacts, now: datetime) -> EscalationPhase:
    """Return the phase of a question that its provider does not wait for any more."""
    if escalation.decision:
        return EscalationPhase.RESOLVED
    expired = escalation.expires_at is not None and escalation.expires_at <= now
    return EscalationPhase.EXPIRED if expired else EscalationPhase.SUPERSEDED


def _stamped(phase: EscalationPhase, now: str, *, notified: bool) -> JsonObject:
    answered = {"answeredAt": now} if phase is EscalationPhase.RESOLVED else {}
    return {"phase": phase.value, **answered, **({"notifiedAt": now} if notified else {})}


def _without_sums(windows: tuple[WindowStatus, ...]) -> list[WindowStatus]:
    return [window.model_copy(update=dict.fromkeys(SUMS, 0)) for window in windows]


def _places(known: KnownProvider) -> tuple[Notification, ...]:
    return tuple(Notification(secret_name=n.secret_name, secret_key=n.secret_key) for n in known.spec.notifications)
