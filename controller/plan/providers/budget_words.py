"""Pure: budgets in words, for the people who read a Run, an Event or the inbox."""

from __future__ import annotations

from controller.api.budget import AskedExtra, Budget, WindowStatus
from controller.api.timestamps import format_time
from controller.plan.providers.budgets import shares

MICRO = 1_000_000


def figure(unit: str, *amounts: int) -> str:
    """Return an amount, or what was used of one, in words: tokens with separators, money in dollars."""
    if unit == "tokens":
        return f"{' of '.join(f'{amount:,}' for amount in amounts)} tokens"
    return f"{' of '.join(f'{amount / MICRO:,.2f}' for amount in amounts)} USD"


def figures(budget: Budget, window: WindowStatus) -> str:
    """Return what was used of each limit, and the limit."""
    return " and ".join(figure(unit, spent, limit) for unit, spent, limit in shares(budget, window))


def spent_words(provider: str, budget: Budget, window: WindowStatus) -> str:
    """Return why agents wait, and until when."""
    end = format_time(window.end)
    more = ""
    if window.asked:
        more = f", or when escalation {window.asked.escalation} is approved"
    elif window.denied_by:
        more = f" (more was denied by {window.denied_by})"
    used = figures(budget, window)
    return f"budget {budget.name} of provider {provider} is spent: {used}; its agents start again at {end}{more}"


def warning(provider: str, budget: Budget, window: WindowStatus) -> str:
    """Return the warning before a budget is spent."""
    used, end = figures(budget, window), format_time(window.end)
    return f"budget {budget.name} of provider {provider} is used to {budget.warn_percent} % or more: {used} until {end}"


def added(asked: AskedExtra) -> str:
    """Return what an approval adds."""
    amounts = (("tokens", asked.tokens), ("costMicroUSD", asked.cost_micro_usd))
    return " and ".join(figure(unit, amount) for unit, amount in amounts if amount)


def question(provider: str, budget: Budget, window: WindowStatus, asked: AskedExtra) -> tuple[str, str]:
    """Return the summary and the text of the question for more."""
    used, end = figures(budget, window), format_time(window.end)
    text = (
        f"The agents of provider {provider} have used {used} since {format_time(window.start)} "
        f"(budget {budget.name}: {budget.window.value}, {budget.time_zone}).\n\n"
        f"No agent that counts for this budget starts now. Agents at work go on.\n\n"
        f"Approve: adds {added(asked)} until {end}.\nDeny: agents start again at {end}."
    )
    return f"budget {budget.name} of provider {provider} is spent: {used}", text
