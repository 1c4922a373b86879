"""Pure: what a budget's window has, what is left of it, and when it is to be warned about, asked about or waited for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.api.budget import AskedExtra, Budget, OnSpent, WindowStatus
from controller.plan.providers.spending import Spent
from controller.plan.providers.windows import window_at


def current_window(budget: Budget, known: Iterable[WindowStatus], now: datetime) -> WindowStatus:
    """Return the budget's window at a moment: the known one while it lasts, else a new one.

    A budget whose window or time zone was changed keeps its sum if the former window began in the new one. Otherwise nobody knows
    what was used in the new window, and its sum begins now.
    """
    window = window_at(budget.window, budget.time_zone, now)
    found = next((each for each in known if each.budget == budget.name), None)
    if found and window.start <= found.start < window.end:
        return found.model_copy(update={"start": window.start, "end": window.end})
    return WindowStatus(budget=budget.name, start=window.start, end=window.end)


def selects(budget: Budget, labels: Mapping[str, str]) -> bool:
    """Whether a Run with these labels counts."""
    wanted = budget.selector.match_labels if budget.selector else {}
    return all(labels.get(key) == value for key, value in wanted.items())


def used(window: WindowStatus) -> Spent:
    """Return what was used in a window."""
    return Spent(window.tokens, window.cost_micro_usd)


def using(window: WindowStatus, more: Spent) -> WindowStatus:
    """Return a window with more use."""
    tokens, cost = used(window).plus(more)
    return window.model_copy(update={"tokens": tokens, "cost_micro_usd": cost})


def shares(budget: Budget, window: WindowStatus) -> tuple[tuple[str, int, int], ...]:
    """Return each limit of a budget: its unit, what was used of it, and the limit with what approvals have added."""
    found = (
        ("tokens", window.tokens, budget.tokens, window.extra_tokens),
        ("costMicroUSD", window.cost_micro_usd, budget.cost_micro_usd, window.extra_cost_micro_usd),
    )
    return tuple((unit, spent, limit + extra) for unit, spent, limit, extra in found if limit is not None)


def is_spent(budget: Budget, window: WindowStatus) -> bool:
    """Whether one of the budget's limits is reached."""
    return any(spent >= limit for _, spent, limit in shares(budget, window))


def is_warned(budget: Budget, window: WindowStatus) -> bool:
    """Whether one of the budget's limits is used to warnPercent or more."""
    return any(spent * 100 >= limit * budget.warn_percent for _, spent, limit in shares(budget, window))


def updated(budget: Budget, window: WindowStatus, now: datetime) -> WindowStatus:
    """Return a window with the times of its warning and of its end by use. A budget that was raised is asked about anew."""
    if not is_spent(budget, window):
        warned = (window.warned_at or now) if is_warned(budget, window) else None
        return window.model_copy(update={"warned_at": warned, "spent_at": None, "asked": None, "denied_by": None})
    return window.model_copy(update={"warned_at": window.warned_at or now, "spent_at": window.spent_at or now})


def standing(budgets: Iterable[Budget], windows: Iterable[WindowStatus]) -> tuple[str, str]:
    """Return the reason of the condition WithinBudgets, and the budgets that it is about."""
    found = list(zip(budgets, windows, strict=False))
    spent = [budget.name for budget, window in found if is_spent(budget, window)]
    warned = [budget.name for budget, window in found if is_warned(budget, window)]
    if spent:
        return "BudgetSpent", ", ".join(spent)
    return ("BudgetWarning", ", ".join(warned)) if warned else ("WithinBudgets", "")


def is_to_ask(budget: Budget, window: WindowStatus) -> bool:
    """Whether a question for more is due: the budget is spent, and none is open or was denied."""
    return budget.on_spent is OnSpent.ASK and is_spent(budget, window) and window.asked is None and window.denied_by is None


def asking(budget: Budget, window: WindowStatus, escalation: str, now: datetime) -> WindowStatus:
    """Return a window with the question that is to be asked. It is saved before anybody is asked."""
    asked = AskedExtra(
        escalation=escalation,
        tokens=(budget.extra_tokens or budget.tokens or 0) if budget.tokens else 0,
        cost_micro_usd=(budget.extra_cost_micro_usd or budget.cost_micro_usd or 0) if budget.cost_micro_usd else 0,
        at=now,
    )
    return window.model_copy(update={"asked": asked, "asks": window.asks + 1})


def approved(window: WindowStatus, escalation: str) -> WindowStatus:
    """Return a window with the amounts that an approved question adds; the same window for a question that is not its own."""
    asked = window.asked
    if asked is None or asked.escalation != escalation:
        return window
    extra = Spent(window.extra_tokens, window.extra_cost_micro_usd).plus(Spent(asked.tokens, asked.cost_micro_usd))
    return window.model_copy(update={"extra_tokens": extra.tokens, "extra_cost_micro_usd": extra.cost, "asked": None})


def denied(window: WindowStatus, escalation: str, by: str) -> WindowStatus:
    """Return a window with the denial of its question; the same window for a question that is not its own."""
    if window.asked is None or window.asked.escalation != escalation:
        return window
    return window.model_copy(update={"asked": None, "denied_by": by})
