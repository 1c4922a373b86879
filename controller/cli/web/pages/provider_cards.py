"""Pure: Providers: whether their agents may start, until when not and why, and how much of their budgets is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from controller.cli.rw.describe_model import MICRO
from controller.cli.rw.objects import JsonObject, name_of, namespace_of, status_of, time_of
from controller.cli.rw.providers_view import state_of, why
from controller.cli.web.pages.unreadable import Unread, readable

FULL = 100
"""Percent of a whole."""

TONES = {"Open": "good", "Closed": "bad", "Unreadable": "bad", "Probing": "needs", "Reopening": "busy"}
"""CSS classes of the states. A tone never carries information that the word does not."""


class Window(NamedTuple):
    """A budget in its current window: what is used, of how much, and until when. `percent` is at most 100."""

    budget: str
    words: str
    percent: int
    ends: datetime | None
    spent_at: datetime | None
    on_spent: str


class ProviderCard(NamedTuple):
    """A Provider. `until` is when a closed one is tried again; a limit of 0 is none."""

    namespace: str
    name: str
    state: str
    tone: str
    why: str
    until: datetime | None
    active: int
    limit: int
    waiting: int
    windows: tuple[Window, ...]


def provider_cards(providers: Sequence[JsonObject]) -> tuple[tuple[ProviderCard, ...], list[Unread]]:
    """Return the Providers, those first that are not open; and those that cannot be shown."""
    found, unread = readable("Provider", providers, _card)
    return tuple(sorted(found, key=lambda card: (card.state == "Open", card.namespace, card.name))), unread


def _card(provider: JsonObject) -> ProviderCard:
    status, spec = status_of(provider), provider.get("spec") or {}
    state = state_of(status)
    return ProviderCard(
        namespace=namespace_of(provider),
        name=name_of(provider),
        state=state,
        tone=TONES.get(state, "quiet"),
        why=why(status),
        until=time_of(status.get("closedUntil")) if state == "Closed" else None,
        active=status.get("activeAgents") or 0,
        limit=spec.get("maxActiveAgents") or 0,
        waiting=status.get("waitingAgents") or 0,
        windows=tuple(_windows(spec.get("budgets") or (), status.get("windows") or ())),
    )


def _windows(budgets: Sequence[JsonObject], windows: Sequence[JsonObject]) -> Iterator[Window]:
    """Yield each budget with its use; one that the operator has not counted yet has none."""
    counted = {window["budget"]: window for window in windows}
    for budget in budgets:
        window = counted.get(budget["name"], {})
        used = [_part(budget, window, "tokens", "extraTokens"), _part(budget, window, "costMicroUSD", "extraCostMicroUSD")]
        parts = [part for part in used if part[1]]
        words = ", ".join(_words(*part) for part in parts)
        percent = max((min(FULL, spent * FULL // limit) for spent, limit, _ in parts), default=0)
        ends, spent_at = time_of(window.get("end")), time_of(window.get("spentAt"))
        yield Window(f"{budget['name']} ({budget['window']})", words, percent, ends, spent_at, budget.get("onSpent", "Ask"))


def _part(budget: JsonObject, window: JsonObject, key: str, extra: str) -> tuple[int, int, bool]:
    """Return what is used, of how much (0 without a limit), and whether it is money."""
    limit = budget.get(key) or 0
    return window.get(key, 0), limit + window.get(extra, 0) if limit else 0, key != "tokens"


def _words(spent: int, limit: int, money: bool) -> str:
    return f"{spent / MICRO:.2f} of {limit / MICRO:.2f} USD" if money else f"{spent:,} of {limit:,} tokens"
