"""Converts a known CLI's own JSON stream to events of docs/agents.md and `{"type": "turn"}`.

The stream comes from `codex exec --json` or `claude --output-format stream-json`, with a line `rw.exec` before each run of a CLI.
Both CLIs count usage per session, and a session outlives attempts: `before` in that line is the session's usage before the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple, cast

Event = dict[str, object]

MAX_SUMMARY = 1024
"""Maximum characters of a CLI's last message in a result's summary."""

MAX_MESSAGES = 256
"""Number of counted messages that are remembered: claude repeats a message's usage for each of its blocks."""

MICRO_USD = 1_000_000

CODEX_INPUT, CODEX_OUTPUT = ("input_tokens",), ("output_tokens",)
"""Codex counts cached input as input, and reasoning as output."""

CLAUDE_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
CLAUDE_MODEL_INPUT = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens")
"""Claude counts cached input separately; here it is added to the input, as in codex."""


class Used(NamedTuple):
    """Usage; the cost is in millionths of a dollar, if the CLI reports it."""

    input: int = 0
    output: int = 0
    cost: int = 0

    def plus(self, other: Used) -> Used:
        """Return the sum of both."""
        return Used(*(mine + its for mine, its in zip(self, other, strict=True)))

    def since(self, before: Used) -> Used:
        """Return the usage since `before`, never negative."""
        return Used(*(max(0, mine - its) for mine, its in zip(self, before, strict=True)))

    def at_least(self, other: Used) -> Used:
        """Return the maximum of both for each number."""
        return Used(*(max(mine, its) for mine, its in zip(self, other, strict=True)))


NOTHING = Used()


class Stream:
    """Parses the stream of one attempt. Its usage events have the attempt's total."""

    def __init__(self) -> None:
        self._done = NOTHING
        """Usage of what is over: earlier runs of the attempt, and claude's earlier turns."""
        self._current = NOTHING
        """Usage of the current run or turn, as far as it is known."""
        self._before = NOTHING
        self._resumed = False
        self._message = ""
        self._counted: dict[str, None] = {}

    def feed(self, line: str) -> list[Event]:
        """Return the events of a line; none for a malformed or irrelevant line."""
        event = _object(line)
        match event.get("type"):
            case "rw.exec":
                self._begin(event)
            case "item.completed":
                self._read_item(_map(event, "item"))
            case "turn.completed":
                return self._end_codex_turn(_map(event, "usage"))
            case "assistant":
                return self._read_message(_map(event, "message"))
            case "result":
                return self._end_claude_turn(event)
        return []

    def _begin(self, event: Mapping[str, object]) -> None:
        self._done = self._done.plus(self._current)
        self._current, self._message = NOTHING, ""
        self._before = _codex_usage(_map(event, "before"))
        self._resumed = event.get("resumed") is True

    def _read_item(self, item: Mapping[str, object]) -> None:
        if item.get("type") == "agent_message":
            self._message = _text(item, "text")

    def _end_codex_turn(self, usage: Mapping[str, object]) -> list[Event]:
        self._current = self._current.at_least(_codex_usage(usage).since(self._before))
        return [{"type": "turn"}, self._usage(), _result(self._message)]

    def _read_message(self, message: Mapping[str, object]) -> list[Event]:
        name, used = _text(message, "id"), _claude_usage(_map(message, "usage"))
        if name in self._counted or used == NOTHING:
            return []
        self._counted[name] = None
        if len(self._counted) > MAX_MESSAGES:
            del self._counted[next(iter(self._counted))]
        self._current = self._current.plus(used)
        return [self._usage()]

    def _end_claude_turn(self, event: Mapping[str, object]) -> list[Event]:
        self._done = self._done.plus(self._current.at_least(self._claude_turn(event)))
        self._current = NOTHING
        if event.get("is_error") is not False or event.get("subtype") != "success":
            return [self._usage()]
        return [{"type": "turn"}, self._usage(), _result(_text(event, "result"))]

    def _claude_turn(self, event: Mapping[str, object]) -> Used:
        """Return the usage of a turn. `total_cost_usd` is the session's, so it counts only if the session began with this run."""
        models = [_mapping(usage) for usage in _map(event, "model_usage_since_last_result").values()]
        if models:
            used = NOTHING
            for usage in models:
                used = used.plus(_claude_model_usage(usage))
            return used
        cost = 0 if self._resumed else _micro_usd(event.get("total_cost_usd"))
        return _claude_usage(_map(event, "usage"))._replace(cost=cost)

    def _usage(self) -> Event:
        total = self._done.plus(self._current)
        event: Event = {"type": "usage", "inputTokens": total.input, "outputTokens": total.output}
        return event | ({"costMicroUSD": total.cost} if total.cost else {})


def parse(line: str) -> list[Event]:
    """Return the events of a single line; their usage is that line's alone."""
    return Stream().feed(line)


def _codex_usage(usage: Mapping[str, object]) -> Used:
    return Used(_sum(usage, CODEX_INPUT), _sum(usage, CODEX_OUTPUT))


def _claude_usage(usage: Mapping[str, object]) -> Used:
    return Used(_sum(usage, CLAUDE_INPUT), _sum(usage, CODEX_OUTPUT))


def _claude_model_usage(usage: Mapping[str, object]) -> Used:
    return Used(_sum(usage, CLAUDE_MODEL_INPUT), _sum(usage, ("outputTokens",)), _micro_usd(usage.get("costUSD")))


def _result(message: str) -> Event:
    cut = message if len(message) <= MAX_SUMMARY else message[: MAX_SUMMARY - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return {"type": "result", "outcome": "Completed", "summary": cut}


def _object(line: str) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _map(event: Mapping[str, object], field: str) -> Mapping[str, object]:
    return _mapping(event.get(field))


def _text(event: Mapping[str, object], field: str) -> str:
    value = event.get(field)
    return value if isinstance(value, str) else ""


def _sum(usage: Mapping[str, object], fields: tuple[str, ...]) -> int:
    return sum(value for field in fields if type(value := usage.get(field)) is int)


def _micro_usd(dollars: object) -> int:
    """Return an amount in millionths of a dollar; 0 for infinity and NaN, which JSON's extensions allow."""
    try:
        return round(dollars * MICRO_USD) if isinstance(dollars, int | float) else 0
    except (ValueError, OverflowError):
        return 0
