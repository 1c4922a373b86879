"""Budgets: when one is warned about, spent, asked about, and open again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.base import parse
from controller.api.budget import Budget, WindowStatus
from controller.api.names import RunKey, budget_escalation_name
from controller.cache.run_cache import RunCache
from controller.plan.providers.budgets import approved, asking, current_window, denied, is_spent, is_to_ask, selects, updated

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def a_budget(**fields: Any) -> Budget:
    """Return a budget of 1000 tokens a day."""
    return parse(Budget, {"name": "daily", "window": "Day", "tokens": 1000, **fields})


def window(tokens: int = 0, cost: int = 0, **fields: Any) -> WindowStatus:
    """Return the day's window with what was used in it."""
    fresh = current_window(a_budget(), (), NOW)
    return fresh.model_copy(update={"tokens": tokens, "cost_micro_usd": cost, **fields})


@pytest.mark.parametrize(
    ("tokens", "cost", "fields", "warned", "spent"),
    [
        (799, 0, {}, False, False),
        (800, 0, {}, True, False),
        (999, 0, {}, True, False),
        (1000, 0, {}, True, True),
        (5000, 0, {}, True, True),
        (999, 10**9, {}, True, False),  # money has no limit
        (0, 49, {"costMicroUSD": 50}, True, False),
        (0, 50, {"costMicroUSD": 50}, True, True),
        (1000, 0, {"warnPercent": 100}, True, True),
        (999, 0, {"warnPercent": 100}, False, False),
    ],
)
def test_a_budget_is_spent_when_one_of_its_limits_is_reached(
    tokens: int, cost: int, fields: dict[str, Any], *, warned: bool, spent: bool
) -> None:
    """The warning comes at its percentage of either limit."""
    found = updated(a_budget(**fields), window(tokens, cost), NOW)
    assert (found.warned_at == NOW, found.spent_at == NOW) == (warned, spent)


def test_the_times_of_a_warning_stay_until_the_budget_is_raised() -> None:
    """They are written once. A budget that has room again is asked about anew."""
    spent = updated(a_budget(), window(1000), NOW)
    assert updated(a_budget(), spent, LATER) == spent
    refused = denied(asking(a_budget(), spent, "e", NOW), "e", "alice")
    raised = updated(a_budget(tokens=2000), refused, LATER)
    assert (raised.warned_at, raised.spent_at, raised.denied_by) == (None, None, None)


@pytest.mark.parametrize(("on_spent", "asks"), [("Ask", True), ("Queue", False), ("Stop", False)])
def test_a_spent_budget_is_asked_about_once(on_spent: str, *, asks: bool) -> None:
    """Only with Ask, and neither while a question is open nor after a denial."""
    budget = a_budget(onSpent=on_spent)
    spent = updated(budget, window(1000), NOW)
    assert is_to_ask(budget, spent) == asks
    asked = asking(budget, spent, "e", NOW)
    assert not is_to_ask(budget, asked)
    assert not is_to_ask(budget, denied(asked, "e", "alice"))
    assert not is_to_ask(budget, window(999))


def test_an_approval_adds_what_was_stated_once() -> None:
    """The budget's own size by default. The amounts are those of the question, also if the budget has changed since."""
    budget = a_budget(costMicroUSD=50, extraTokens=300)
    asked = asking(budget, updated(budget, window(1000), NOW), "e", NOW)
    more = approved(asked, "e")
    assert (more.extra_tokens, more.extra_cost_micro_usd, more.asks) == (300, 50, 1)
    assert not is_spent(budget, more)
    assert approved(more, "e") == more
    assert approved(asked, "another") == asked
    assert denied(asked, "another", "alice") == asked


def test_a_budget_that_is_spent_again_is_asked_about_again() -> None:
    """Otherwise nobody would know that the approved amount is used, too."""
    budget = a_budget()
    more = approved(asking(budget, window(1000), "e", NOW), "e")
    again = updated(budget, more.model_copy(update={"tokens": 2000}), LATER)
    assert is_to_ask(budget, again)
    assert asking(budget, again, "f", LATER).asks == 2


def test_money_alone_adds_money_alone() -> None:
    """A limit that the budget does not have stays absent."""
    budget = parse(Budget, {"name": "daily", "window": "Day", "costMicroUSD": 50})
    asked = asking(budget, window(cost=50), "e", NOW).asked
    assert asked
    assert (asked.tokens, asked.cost_micro_usd) == (0, 50)


def test_a_window_ends_with_everything_that_was_decided_in_it() -> None:
    """A new window has no use, no approval and no denial."""
    old = window(1000, denied_by="alice", extra_tokens=5)
    assert current_window(a_budget(), (old,), old.end - timedelta(microseconds=1)) == old
    fresh = current_window(a_budget(), (old,), old.end)
    assert fresh == WindowStatus(budget="daily", start=old.end, end=old.end + timedelta(days=1))


@pytest.mark.parametrize(
    ("wanted", "labels", "chosen"),
    [
        (None, {}, True),
        ({}, {"a": "b"}, True),
        ({"a": "b"}, {"a": "b", "c": "d"}, True),
        ({"a": "b"}, {"a": "c"}, False),
        ({"a": ""}, {}, False),
    ],
)
def test_a_selector_names_runs_by_all_of_its_labels(wanted: dict[str, str] | None, labels: dict[str, str], *, chosen: bool) -> None:
    """No selector and one without labels name every Run."""
    fields = {} if wanted is None else {"selector": {"matchLabels": wanted}}
    assert selects(a_budget(**fields), labels) == chosen


def test_the_name_of_a_question_is_an_objects_name() -> None:
    """Each question of a window has a name of its own, however long the provider's is."""
    names = [budget_escalation_name(f"{'a' * 199}.b", "u", "daily", "2026-01-01T00:00:00Z", asks) for asks in (0, 1)]
    assert len({*names}) == 2
    assert all(name.startswith(f"{'a' * 199}-budget-") for name in names)


def test_a_budgets_escalation_is_no_runs() -> None:
    """The cache finds it under its namespace alone, and no Run is reconciled for it, whatever it names."""
    woken: list[object] = []
    cache = RunCache(woken.append)
    spec = {"runName": "r", "runUID": "u1", "type": "Budget", "summary": "spent"}
    cache.escalations.upsert({"metadata": {"name": "e", "namespace": "team", "uid": "x", "resourceVersion": "1"}, "spec": spec})
    assert woken == []
    assert cache.known() == set()
    assert [found.name for found in cache.escalations_of(RunKey("team", "", ""))] == ["e"]
