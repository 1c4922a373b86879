"""Writes the status of providers, and wakes the Runs whose turn has come. It is the only writer of that status.

A status is written by compare-and-swap when the provider's state changes. The numbers of agents alone are written once a minute at
most, so that a Run costs no write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import structlog

from controller.api.base import dump
from controller.api.names import API_VERSION
from controller.api.provider import ProviderCondition, ProviderState, ProviderStatus
from controller.api.run_status import ConditionStatus
from controller.cache.known_provider import KnownProvider
from controller.cache.provider_line import ProviderKey
from controller.cache.providers import Providers
from controller.kube.client import Client
from controller.kube.errors import ApiError, Conflict, NotFound
from controller.kube.event_recorder import record_provider_event
from controller.kube.resources import PROVIDERS
from controller.plan.providers.budgets import standing
from controller.reconcile.budget_keeper import BudgetKeeper

log = structlog.get_logger(__name__)

COUNTS_SECONDS = 60.0
"""Time between two writes of the numbers of agents alone."""

RETRY_SECONDS = 2.0
"""Time until a write that failed is tried again."""

ALL_SECONDS = 60.0
"""Time between two looks at all providers: another replica may have written some of them before."""

COUNTS = ("active_agents", "waiting_agents")

SHUT = (ProviderState.CLOSED, ProviderState.PROBING)
"""States in which agents wait, whatever the limits."""


class ProviderWriter:
    """Follows the providers of this process. `owns` returns whether a namespace's providers belong to this replica."""

    def __init__(
        self, client: Client, providers: Providers, budgets: BudgetKeeper, owns: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._client, self._providers, self._budgets, self._owns = client, providers, budgets, owns
        self._changed: set[ProviderKey] = set()
        self._event, self._all_at = asyncio.Event(), client.server_now()
        self._due: dict[ProviderKey, datetime] = {}
        self._counted: dict[ProviderKey, datetime] = {}
        providers.changed = self._note
        self._event.set()

    def _note(self, key: ProviderKey) -> None:
        self._changed.add(key)
        self._event.set()

    async def run(self) -> None:
        """Follow the providers until cancelled."""
        while True:
            self._event.clear()
            for key in self._take():
                await self._follow_alone(key)
            try:
                async with asyncio.timeout(self._pause()):
                    await self._event.wait()
            except TimeoutError:
                continue

    def _take(self) -> set[ProviderKey]:
        """Return the providers to look at: those that have changed, and those whose time has come."""
        now = self._client.server_now()
        if now >= self._all_at:
            self._changed.update(self._providers.names())
            self._all_at = now + timedelta(seconds=ALL_SECONDS)
        due = self._changed | {key for key, moment in self._due.items() if moment <= now}
        self._changed = set()
        for key in due:
            self._due.pop(key, None)
        return due

    def _pause(self) -> float:
        """Return in how many seconds the next provider is due."""
        first = min((*self._due.values(), self._all_at))
        return max(0.0, (first - self._client.server_now()).total_seconds())

    async def _follow_alone(self, key: ProviderKey) -> None:
        """Advance one provider. A fault in it is logged, and it is tried again later; the others go on."""
        try:
            await self._follow(key)
        except Exception:  # users write providers: logged and tried again; a task that ended would leave all providers as they are
            log.exception("provider failed, retrying", namespace=key.namespace, provider=key.name)
            self._due[key] = self._client.server_now() + timedelta(seconds=ALL_SECONDS)

    async def _follow(self, key: ProviderKey) -> None:
        """Advance one provider, and write its status if it differs."""
        known, now = self._providers.known(key), self._client.server_now()
        if known is None or not self._owns(key.namespace):
            self._counted.pop(key, None)
            return
        due = [self._providers.tick(key, now)]
        try:
            status = self._providers.status(key)
            if not known.unreadable:  # Else the counts stay as they are in the cluster.
                status = await self._budgets.merged(key, known, status, now)
            due.append(await self._write(key, known, status, now))
            if (current := self._providers.known(key)) and not current.unreadable:
                await self._budgets.sync_inbox(key, current, now)
        except NotFound:
            self._budgets.failed(key)
            return
        except ApiError as error:
            self._budgets.failed(key)
            if not isinstance(error, Conflict):
                log.warning(
                    "status of provider not written, retrying", namespace=key.namespace, provider=key.name, error=str(error)
                )
            self._due[key] = now + timedelta(seconds=RETRY_SECONDS)
            return
        due.append(self._budgets.due_at(key, now))
        if first := min((moment for moment in due if moment), default=None):
            self._due[key] = first

    async def _write(self, key: ProviderKey, known: KnownProvider, status: ProviderStatus, now: datetime) -> datetime | None:
        """Write a status that differs from the one in the cluster; return when to write one that only differs in numbers."""
        wanted = shown(status, known, now)
        if wanted == known.status:
            return None
        numbers_only = wanted.model_copy(update={name: getattr(known.status, name) for name in COUNTS}) == known.status
        count_at = self._counted.get(key, now - timedelta(seconds=COUNTS_SECONDS)) + timedelta(seconds=COUNTS_SECONDS)
        if numbers_only and now < count_at:
            return count_at
        body = {"apiVersion": API_VERSION, "kind": "Provider", **known.obj, "status": dump(wanted)}
        written = await self._client.replace(PROVIDERS, key.namespace, key.name, body, subresource="status")
        self._counted[key] = now
        self._budgets.saved(key)
        self._providers.objects.upsert(written)
        await self._budgets.announce(key, known.status, wanted, known)
        if wanted.state is not known.status.state:
            await self._report(key, known.status, wanted, written["metadata"]["uid"])
        if known.unreadable and _ready(known.status) is not ConditionStatus.FALSE:
            about = {"name": key.name, "namespace": key.namespace, "uid": written["metadata"]["uid"]}
            await record_provider_event(self._client, about, UNREADABLE, known.unreadable, warning=True)
        return None

    async def _report(self, key: ProviderKey, before: ProviderStatus, status: ProviderStatus, uid: str) -> None:
        """Post an Event about a changed state, and log it."""
        words = described(status)
        log.info("provider", namespace=key.namespace, provider=key.name, state=status.state, message=words)
        if before.state or status.state is not ProviderState.OPEN:
            about = {"name": key.name, "namespace": key.namespace, "uid": uid}
            await record_provider_event(
                self._client, about, status.state or "", words, warning=status.state is ProviderState.CLOSED
            )


def shown(status: ProviderStatus, known: KnownProvider, now: datetime) -> ProviderStatus:
    """Return a status as it is written: with its conditions and the generation that it is based on."""
    found = _unreadable(known) if known.unreadable else _readable(status, known)
    conditions = tuple(_since(each, known.status, now.replace(microsecond=0)) for each in found)
    return status.model_copy(update={"conditions": conditions, "observed_generation": known.obj["metadata"].get("generation")})


Standing = tuple[str, bool, str, str]
"""A condition: its type, whether it is True, its reason and its message."""


def _readable(status: ProviderStatus, known: KnownProvider) -> Iterator[Standing]:
    yield "Open", status.state not in SHUT, status.state or ProviderState.OPEN, status.message or ""
    if status.windows:
        reason, names = standing(known.spec.budgets, status.windows)
        yield "WithinBudgets", reason != "BudgetSpent", reason, names
    yield READY, True, "Accepted", ""


def _unreadable(known: KnownProvider) -> Iterator[Standing]:
    """Nothing is known of its budgets."""
    yield "Open", False, UNREADABLE, ""
    yield READY, False, UNREADABLE, known.unreadable


READY, UNREADABLE = "Ready", "Unreadable"


def _since(condition: Standing, before: ProviderStatus, now: datetime) -> ProviderCondition:
    """Return a condition with the time of its last transition."""
    kind, holds, reason, message = condition
    status = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    old = next((each for each in before.conditions if each.type == kind), None)
    since = old.last_transition_time if old and old.status is status else now
    return ProviderCondition(type=kind, status=status, reason=reason, message=message, last_transition_time=since)


def _ready(status: ProviderStatus) -> ConditionStatus | None:
    return next((each.status for each in status.conditions if each.type == READY), None)


def described(status: ProviderStatus) -> str:
    """Return the state of a provider in words."""
    why = ": ".join(filter(None, (status.reason, status.message)))
    match status.state:
        case ProviderState.CLOSED if status.closed_until and status.closed_by:
            by = status.closed_by
            until = status.closed_until.isoformat().replace("+00:00", "Z")
            return f"closed until {until} by agent {by.agent} of Run {by.run}: {why}"
        case ProviderState.PROBING if status.probe:
            return f"agent {status.probe.agent} of Run {status.probe.run} probes it"
        case ProviderState.REOPENING:
            return "a probe has shown that it works; waiting agents start at reopenPerMinute"
        case _:
            return "nothing waits any more"
