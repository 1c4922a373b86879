"""The table of Providers."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.api.base import JsonObject
from controller.cli.rw.providers_view import providers_table

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CLOSED = {
    "state": "Closed",
    "closedUntil": "2026-01-01T12:30:00Z",
    "reason": "Quota",
    "message": "usage limit reached",
    "closedBy": {"run": "fix", "agent": "coder", "attempt": 0},
    "waitingAgents": 3,
}
PROBING = CLOSED | {"state": "Probing", "probe": {"run": "next", "agent": "coder", "attempt": 1}}


def provider(name: str, status: JsonObject, **spec: object) -> JsonObject:
    """Return a provider."""
    return {"metadata": {"namespace": "team", "name": name}, "spec": spec, "status": status}


def test_a_provider_says_until_when_it_is_closed_and_why() -> None:
    """A new one has no status yet. Only a closed one has a time."""
    found = [
        provider("claude", CLOSED, maxActiveAgents=20),
        provider("codex", PROBING),
        provider("new", {}),
        provider("works", {"state": "Open", "activeAgents": 4}),
    ]
    assert providers_table(found, NOW, None, spaces=False).plain.splitlines() == [
        "NAME     STATE     UNTIL    ACTIVE   WAITING   WHY",
        "claude   Closed    in 30m   0/20     3         Quota: usage limit reached (agent coder of Run fix)",
        "codex    Probing   -        0        3         Quota: usage limit reached; agent coder of Run next probes",
        "new      -         -        0        0",
        "works    Open      -        4        0",
    ]
    assert providers_table(found[:1], NOW, None, spaces=True).plain.splitlines()[1].startswith("team        claude")


def test_a_provider_that_cannot_be_read_says_why() -> None:
    """Whatever its state was before: nothing of it starts."""
    ready = {"type": "Ready", "status": "False", "reason": "Unreadable", "message": "spec.budgets[0].timeZone: must be a time zone"}
    found = [provider("claude", CLOSED | {"conditions": [ready]})]
    assert providers_table(found, NOW, None, spaces=False).plain.splitlines()[1] == (
        "claude   Unreadable   -       0        3         spec.budgets[0].timeZone: must be a time zone"
    )


def test_budgets_are_shown_where_there_are_any() -> None:
    """Each with the part of its limit, and of what was approved, that is used."""
    budgets = [{"name": "daily", "tokens": 100}, {"name": "monthly", "tokens": 1000, "costMicroUSD": 50}]
    windows = [{"budget": "daily", "tokens": 120, "extraTokens": 100}, {"budget": "monthly", "tokens": 120, "costMicroUSD": 55}]
    found = [provider("claude", {"state": "Open", "windows": windows}, budgets=budgets), provider("codex", {"state": "Open"})]
    assert providers_table(found, NOW, None, spaces=False).plain.splitlines() == [
        "NAME     STATE   UNTIL   ACTIVE   WAITING   BUDGETS                     WHY",
        "claude   Open    -       0        0         daily 60 %, monthly 110 %",
        "codex    Open    -       0        0         -",
    ]
