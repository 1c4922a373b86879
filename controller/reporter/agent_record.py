"""The reporter's record of its agent: reported events, delivered answers and problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.reporter.events import TEXT, Event, clean

MAX_QUESTIONS = 8
MAX_IDS = 64
MAX_PROBLEMS = 8
"""Limits of the API; see controller/api/agent_report.py."""


class Memory:
    """The record of one agent. Events and deliveries change it, each at a time of the monotonic clock."""

    def __init__(self, now: float) -> None:
        self.active_at = now
        self.progress_at: float | None = None
        self.progress_events = 0
        self.message = ""
        self.turns = 0
        self.questions: dict[str, Event] = {}
        self.delivered: list[str] = []
        self.read: list[str] = []
        self.dismissed: frozenset[str] = frozenset()
        self.parked = False
        self.result: dict[str, Any] | None = None
        self.usage: dict[str, int] | None = None
        self.limit: dict[str, Any] | None = None
        self.limit_at = now
        self.problems: dict[str, str] = {}

    @property
    def waiting(self) -> bool:
        """Whether the agent waits for an answer that was not delivered yet."""
        return any(name not in self.delivered for name in self.questions)

    @property
    def has_spoken(self) -> bool:
        """Whether the record has any data that only the agent can have reported."""
        return any((self.message, self.turns, self.questions, self.read, self.parked, self.result, self.usage, self.limit))

    def add_problem(self, kind: str, text: str) -> None:
        """Record a problem, once per kind."""
        if kind not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems[kind] = clean(text, TEXT)

    def apply_event(self, event: Event, now: float) -> bool:
        """Apply a checked event; return whether it should be reported to the operator at once."""
        match event["type"]:
            case "progress":
                self._advance(now)
                self.message = event["message"] or self.message
            case "turn":
                self._advance(now)
                self.turns += 1
                # The model has answered since. Of two in the same look, the limit counts: its agent is about to end.
                self.limit = self.limit if now <= self.limit_at else None
            case "question":
                return self._ask(event, now)
            case "read":
                return self._have_read(event["id"])
            case "park":
                fresh, self.parked = not self.parked, True
                return fresh
            case "usage":
                self._use({field: event[field] for field in ("inputTokens", "outputTokens", "costMicroUSD")})
            case "limit":
                return self._meet(event["limit"], now)
            case "result":
                return self._conclude({field: event[field] for field in ("outcome", "summary", "outputs")}, now)
        return False

    def deliver(self, names: Iterable[str]) -> bool:
        """Record answers that the agent can read; return whether any is new."""
        return _remember(self.delivered, names)

    def dismiss(self, names: Iterable[str]) -> None:
        """Record the questions that nobody will answer: an event that asks one of them is ignored."""
        self.dismissed = frozenset(names)

    def restore_read(self, names: Iterable[str]) -> bool:
        """Record questions whose answer was read in an earlier attempt; return whether any is new."""
        return _remember(self.read, names)

    def _advance(self, now: float) -> None:
        self.progress_at = now
        self.progress_events += 1

    def _ask(self, event: Event, now: float) -> bool:
        name = event["id"]
        if name in self.questions and event["text"] != self.questions[name]["text"]:
            self.add_problem("question.again", f"question {name} was asked again with another text, which was ignored")
        if name in self.questions or name in self.read:
            return False
        if name in self.dismissed:
            self.add_problem(
                "question.dismissed", f"question {name} was ignored: a human has dismissed it, so nobody will answer it"
            )
            return False
        if len(self.questions) >= MAX_QUESTIONS:
            self.add_problem("question.many", f"question {name} was ignored: {MAX_QUESTIONS} are open already")
            return False
        self.questions[name] = {"id": name, "text": event["text"], "options": event["options"]}
        self._advance(now)
        return True

    def _have_read(self, name: str) -> bool:
        if name not in self.delivered:
            self.add_problem("read", f"the answer to {name} was reported as read, but was never delivered")
            return False
        self.questions.pop(name, None)
        return _remember(self.read, [name])

    def _use(self, usage: dict[str, int]) -> None:
        if self.usage and any(usage[field] < before for field, before in self.usage.items()):
            self.add_problem("usage.less", "usage went backwards, which is not trusted: report what the attempt has used in total")
            return
        self.usage = usage

    def _meet(self, limit: dict[str, Any], now: float) -> bool:
        fresh, self.limit, self.limit_at = limit != self.limit, limit, now
        return fresh

    def _conclude(self, result: dict[str, Any], now: float) -> bool:
        self._advance(now)
        fresh, self.result = result != self.result, result
        return fresh


def _remember(known: list[str], names: Iterable[str]) -> bool:
    """Add names to the known ones, dropping the oldest; return whether any is new."""
    fresh = [name for name in dict.fromkeys(names) if name not in known]
    known += fresh
    del known[:-MAX_IDS]
    return bool(fresh)
