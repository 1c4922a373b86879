"""Pure: a Run's page: its status and the reason, what comes next, what would change it, and what has happened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from controller.cli.rw import describe_model
from controller.cli.rw.changes import cloned
from controller.cli.rw.describe_model import Attempt, Noted, Sentence, Work
from controller.cli.rw.explain_model import AgentExplanation, Explanation, cooldowns, explain_run
from controller.cli.rw.get_view import requester
from controller.cli.rw.objects import (
    JsonObject,
    created,
    name_of,
    namespace_of,
    oldest_first,
    phase_of,
    status_of,
    time_of,
    used,
)
from controller.cli.rw.related_objects import Around
from controller.cli.rw.session import Session
from controller.cli.rw.timeline import Entry, timeline
from controller.cli.web.pages.escalation_card import Card, card
from controller.cli.web.pages.lanes import Lanes, lanes
from controller.cli.web.pages.steering import Action, actions_of
from controller.cli.web.pages.usage import Usage, usage_of
from controller.cli.web.pages.usage_line import Sample, UsageLine, usage_line

SHOWN = 100
"""Maximum number of timeline entries, the newest ones."""


class Moments(NamedTuple):
    """When a Run was created, started and ended."""

    created: datetime | None
    started: datetime | None
    ended: datetime | None


class AgentCard(NamedTuple):
    """An agent with its explanation, the words about it, and when its cooldown ends."""

    about: AgentExplanation
    words: str
    restarts: int
    cooldown: datetime | None


class Source(NamedTuple):
    """The source of an agent's workspace, the command that shows what has changed since, and whether the base is on record."""

    agent: str
    words: str
    command: str
    cloned: bool


@dataclass(frozen=True, slots=True)
class RunPage:
    """All data of the page. `why` is `explain`'s own explanation, so that page and terminal say the same."""

    namespace: str
    name: str
    phase: str
    wanted: str
    policy: str
    requester: str
    brief: str
    ready: str
    moments: Moments
    why: Explanation
    agents: tuple[AgentCard, ...]
    usage: Usage
    line: UsageLine | None
    waiting: tuple[Card, ...]
    answered: tuple[Card, ...]
    actions: tuple[Action, ...]
    changes: tuple[Noted, ...]
    lanes: Lanes | None
    attempts: tuple[Attempt, ...]
    sources: tuple[Source, ...]
    results: tuple[Work, ...]
    tasks: tuple[Work, ...]
    decision: tuple[Noted, ...]
    conditions: tuple[Noted, ...]
    entries: tuple[Entry, ...]
    left_out: int
    now: datetime


def run_page(
    run: JsonObject, around: Around, sentence: Sentence, me: Collection[str], now: datetime, samples: Sequence[Sample] = ()
) -> RunPage:
    """Return the data of a Run's page; `me` contains the names of the caller and of the caller's groups."""
    spec, status, why = run["spec"], status_of(run), explain_run(run, around, now)
    entries, open_ = timeline(run, around), oldest_first(around.escalations)
    over = [escalation for escalation in around.escalations if escalation not in open_]
    return RunPage(
        namespace=namespace_of(run),
        name=name_of(run),
        phase=phase_of(run),
        wanted=spec.get("desiredState", "Running"),
        policy=status.get("policy", {}).get("name", ""),
        requester=requester(run),
        brief=spec.get("brief", ""),
        ready=status.get("ready", f"0/{len(spec['agents'])}"),
        moments=Moments(created(run), time_of(status.get("startTime")), time_of(status.get("completionTime"))),
        why=why,
        agents=tuple(_agents(run, around, why, now)),
        usage=usage_of(run, around, used(run, around.reports)),
        line=usage_line(samples, now),
        waiting=tuple(card(escalation, run, me, now) for escalation in open_),
        answered=tuple(card(escalation, run, me, now) for escalation in over),
        actions=tuple(actions_of(run)),
        changes=tuple(_changes(run, why)),
        lanes=lanes(run, around, now),
        attempts=tuple(describe_model.attempts(run, around)),
        sources=tuple(_sources(run)),
        results=tuple(describe_model.results(run)),
        tasks=tuple(describe_model.tasks(run)),
        decision=tuple(describe_model.decision(run, sentence)),
        conditions=tuple(describe_model.conditions(run, sentence)),
        entries=tuple(reversed(entries[-SHOWN:])),
        left_out=max(0, len(entries) - SHOWN),
        now=now,
    )


def _changes(run: JsonObject, why: Explanation) -> Iterator[Noted]:
    """Yield the commands that would change a Run, each with its effect; a fix elsewhere has no command."""
    for change in why.changes:
        yield Noted(_command(run, *change.words) if change.words else "", change.effect)


def _sources(run: JsonObject) -> Iterator[Source]:
    for agent, words in describe_model.sources(run):
        yield Source(agent, words, _command(run, "diff", name_of(run), agent), bool(cloned(run, agent)))


def _command(run: JsonObject, *words: str) -> str:
    return Session(namespace=namespace_of(run)).command(*words)


def _agents(run: JsonObject, around: Around, why: Explanation, now: datetime) -> Iterator[AgentCard]:
    standing = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    cooling = dict(cooldowns(run, now))
    for about in why.agents:
        found = standing.get(about.name, {})
        words = describe_model.agent_words(found, around.report(about.name))
        yield AgentCard(about, words, found.get("restarts", 0), cooling.get(about.name))
