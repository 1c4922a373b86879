"""Pure: the tokens and the cost of a Run: in all, of each agent's ended attempts, and of each live one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from controller.cli.rw.describe_model import cost
from controller.cli.rw.objects import JsonObject, live_usage, status_of
from controller.cli.rw.related_objects import Around

FULL = 100
"""Percent of a whole."""


class Part(NamedTuple):
    """The usage of some attempts."""

    of: str
    input: int
    output: int
    cost: str


class Usage(NamedTuple):
    """The usage of a Run. `limit` is 0 without a token budget; `percent` is that of the budget, at most 100."""

    tokens: int
    limit: int
    percent: int
    cost: str
    parts: tuple[Part, ...]


def usage_of(run: JsonObject, around: Around, total: JsonObject) -> Usage:
    """Return the usage of a Run, of which `total` is the sum."""
    tokens, limit = total.get("inputTokens", 0) + total.get("outputTokens", 0), run["spec"].get("tokenBudget") or 0
    percent = min(FULL, tokens * FULL // limit) if limit else 0
    return Usage(tokens, limit, percent, cost(total), tuple(_parts(run, around)))


def _parts(run: JsonObject, around: Around) -> Iterator[Part]:
    agents = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    own = [(name, agent["usage"]) for name, agent in agents.items() if agent.get("usage")]
    if not own and (ended := status_of(run).get("usage")):  # by an operator that does not count each agent
        yield _part("ended attempts", ended)
    yield from (_part(f"{name}, ended attempts", usage) for name, usage in own)
    for report in around.reports:
        if live := live_usage(report, agents):
            yield _part(f"{report['spec']['agent']} r{status_of(report).get('attempt', 0)}, at work", live)


def _part(of: str, usage: JsonObject) -> Part:
    return Part(of, usage.get("inputTokens", 0), usage.get("outputTokens", 0), cost(usage))
