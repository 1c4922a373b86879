"""Pure: an explanation as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.text import Text

from controller.cli.rw import styles
from controller.cli.rw.explain_model import AgentExplanation, Explanation, cooldowns
from controller.cli.rw.inbox_view import inbox_table
from controller.cli.rw.objects import name_of, oldest_first, phase_of
from controller.cli.rw.table_format import table
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.text import INDENT, Cell, age, joined, section, until, wrapped

Command = Callable[..., str]
"""Turns words into a command line for the caller."""

DAY_SECONDS = 86400


def explained(explanation: Explanation, command: Command, now: datetime, width: int | None) -> Text:
    """Return the explanation for a terminal."""
    return joined(
        [
            _head(explanation, width),
            section("Agents", joined([_agent(agent, now, width) for agent in explanation.agents])),
            section("Budget", _budget(explanation, now, width)),
            section("Next, if nothing changes", _checks(explanation, now, width)),
            section("Waits for a human", _inbox(explanation, now, width)),
            section("To change this", _changes(explanation, command, width)),
            section("Notes", joined([wrapped(note, width, INDENT) for note in explanation.notes])),
        ],
        "\n\n",
    )


def _head(explanation: Explanation, width: int | None) -> Text:
    phase, colour = styles.phase(phase_of(explanation.run))
    title = Text(f"{name_of(explanation.run)} is ", style="bold").append(phase, style=colour or "bold")
    title.append(clean(f": {explanation.reason}") if explanation.reason not in ("", phase) else "")
    rule = f"Decided by the rule {explanation.rule}: {explanation.rule_says}" if explanation.rule else ""
    lines = [
        line
        for line in (explanation.meaning, explanation.message if explanation.message != explanation.meaning else "", rule)
        if line
    ]
    return joined([title, *(wrapped(line, width, INDENT) for line in lines)])


def _agent(agent: AgentExplanation, now: datetime, width: int | None) -> Text:
    word, colour = styles.health(agent.health)
    role = "" if agent.required else " (optional)"
    line = Text(f"{INDENT}{agent.name}{role}: ").append(word, style=colour).append(f", attempt {agent.attempt}")
    line.append(clean(f": {agent.reason}") if agent.reason and agent.reason != word else "")
    more = [
        agent.message,
        agent.meaning if agent.reason != "Supervising" else "",
        agent.rule,
        agent.advice,
        agent.source,
        agent.verification,
        agent.publication,
        _ages(agent, now),
    ]
    return joined([line, *(wrapped(text, width, INDENT * 2, styles.DIM) for text in dict.fromkeys(more) if text)])


def _ages(agent: AgentExplanation, now: datetime) -> str:
    if agent.reported_at is None:
        return ""
    progress = f"progress {age(agent.progress_at, now)} ago" if agent.progress_at else "no progress reported in this attempt"
    return f"active {age(agent.active_at, now)} ago, {progress}; reported {age(agent.reported_at, now)} ago"


def _budget(explanation: Explanation, now: datetime, width: int | None) -> Text:
    budget = explanation.budget
    own = f", at most {budget.per_agent} per agent" if budget.per_agent is not None else ""
    text = f"{budget.used} of {budget.budget} charged restarts used, {budget.left} left{own} (policy {budget.policy or 'unknown'})"
    counted = [(agent.name, agent.repeated) for agent in explanation.agents if agent.repeated]
    repeated = [f"{name} has failed in the same way {times} times in a row" for name, times in counted]
    waiting = [f"{name} is not restarted again before {_clock(until, now)}" for name, until in cooldowns(explanation.run, now)]
    limit = explanation.run["spec"].get("tokenBudget")
    usage = [f"{explanation.tokens:,} tokens used" + (f" of {limit:,}" if limit else "")] if explanation.tokens or limit else []
    return joined([wrapped(line, width, INDENT) for line in (text, *filter(None, (budget.repeated,)), *repeated, *waiting, *usage)])


def _checks(explanation: Explanation, now: datetime, width: int | None) -> Text:
    if not explanation.checks:
        return wrapped("nothing is scheduled", width, INDENT)
    rows: list[list[Cell]] = [[until(check.at, now), _clock(check.at, now), check.what] for check in explanation.checks]
    return table(("", "", ""), rows, width, INDENT, fold=True)


def _inbox(explanation: Explanation, now: datetime, width: int | None) -> Text:
    if not explanation.inbox:
        return wrapped("nothing", width, INDENT)
    return inbox_table(oldest_first(explanation.inbox), (), now, width, spaces=False, indent=INDENT)


def _changes(explanation: Explanation, command: Command, width: int | None) -> Text:
    rows: list[list[Cell]] = [[command(*change.words), change.effect] for change in explanation.changes if change.words]
    fixes = [wrapped(change.effect, width, INDENT) for change in explanation.changes if not change.words]
    return joined([*fixes, table(("", ""), rows, width, INDENT, fold=True)] if rows else fixes)


def _clock(moment: datetime, now: datetime) -> str:
    day = f"{moment:%Y-%m-%d} " if abs((moment - now).total_seconds()) >= DAY_SECONDS else ""
    return f"{day}{moment:%H:%M:%S} UTC"
