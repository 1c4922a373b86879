"""Pure: what `describe` and a Run's page show of a Run, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from controller.api.names import LABEL_AGENT
from controller.cli.rw.containers import ending, judged_state
from controller.cli.rw.objects import JsonObject, created, label, name_of, phase_of, status_of, time_of
from controller.cli.rw.related_objects import Around
from controller.cli.rw.source_text import source_words
from controller.cli.rw.task_text import failed_output, published_words, verification_words
from controller.cli.rw.timeline import attempt_name

OUTPUT_LINES = 12
"""Maximum lines of a failed verification's output, the last ones; `get -o yaml` and `logs --task verify` show more."""

MICRO = 1_000_000
"""Millionths in a whole."""

SHOWN_ELSEWHERE = frozenset({"Finished", "Succeeded", "Healthy", "PolicyResolved", "Escalated", "Halted"})
"""Conditions that the phase, the agents, the policy and the open escalations show."""

Sentence = Callable[[str], str]
"""Returns a reason's sentence, or an empty text for a reason that is not the operator's."""


class Attempt(NamedTuple):
    """One pod of a Run: an attempt of an agent, or a try of a task of it. `how` is empty while it has not ended."""

    name: str
    agent: str
    pod: str
    phase: str
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    how: str


class Noted(NamedTuple):
    """A line with its explanation, which may be empty."""

    words: str
    why: str


class Work(NamedTuple):
    """What an agent's work came to: lines about it, the end of an output, and named values such as a link."""

    agent: str
    lines: tuple[str, ...]
    output: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


def why(run: JsonObject) -> str:
    """Return the reason and the message of a Run's status, without a reason that only repeats the phase."""
    reason, message = status_of(run).get("reason", ""), status_of(run).get("message", "")
    return message if message and reason == phase_of(run) else f"{reason}: {message}".removesuffix(": ")


def repeated(run: JsonObject) -> str:
    """Return how often in a row the agents have failed in the same way, if their policy counts that."""
    found = [
        (agent["name"], agent["repeatedFailures"]) for agent in status_of(run).get("agents", ()) if "repeatedFailures" in agent
    ]
    return "; ".join(f"{name} failed in the same way {times} times in a row" for name, times in found)


def cost(usage: JsonObject) -> str:
    """Return the reported cost; empty if none was reported."""
    return f"{usage['costMicroUSD'] / MICRO:.2f} USD" if usage.get("costMicroUSD") else ""


def agent_words(agent: JsonObject, report: JsonObject | None) -> str:
    """Return a healthy agent's last message, otherwise its problem."""
    if report and agent.get("health") == "Healthy" and status_of(report).get("message"):
        return str(status_of(report)["message"])
    result = agent.get("result") or {}
    if agent.get("message") and agent.get("reason") == agent.get("health"):
        return str(agent["message"])
    return result.get("summary") or f"{agent.get('reason', '')}: {agent.get('message', '')}".removesuffix(": ")


def attempts(run: JsonObject, around: Around) -> list[Attempt]:
    """Return the attempts of which there is a pod."""
    return [attempt_of(run, pod) for pod in around.pods]


def attempt_of(run: JsonObject, pod: JsonObject) -> Attempt:
    """Return what a pod did."""
    state = judged_state(run, pod)
    return Attempt(
        name=attempt_name(pod),
        agent=label(pod, LABEL_AGENT),
        pod=name_of(pod),
        phase=status_of(pod).get("phase", "Pending"),
        created=created(pod),
        started=time_of(state.get("running", {}).get("startedAt") or state.get("terminated", {}).get("startedAt")),
        ended=time_of(state.get("terminated", {}).get("finishedAt")),
        how=ending(run, pod),
    )


def sources(run: JsonObject) -> Iterator[tuple[str, str]]:
    """Yield the repositories in the agents' workspaces, with the commits that were cloned."""
    found = ((agent["name"], source_words(agent, status)) for agent, status in _agents(run))
    yield from ((name, words) for name, words in found if words)


def results(run: JsonObject) -> Iterator[Work]:
    """Yield the agents' reported results with their outputs, for example a link."""
    for agent in status_of(run).get("agents", ()):
        result = agent.get("result") or {}
        words = ": ".join(filter(None, (result.get("outcome"), result.get("summary"))))
        values = tuple((result.get("outputs") or {}).items())
        if words or values:
            yield Work(agent["name"], (words,) if words else (), (), values)


def tasks(run: JsonObject) -> Iterator[Work]:
    """Yield how the agents' work is verified and published, with the end of the output of a failed verification."""
    for agent, found in _agents(run):
        lines = tuple(filter(None, (verification_words(agent, found), published_words(agent, found))))
        output, values = failed_output(found, OUTPUT_LINES), ((found.get("published") or {}).get("outputs") or {}).items()
        if lines or output or values:
            yield Work(agent["name"], lines, tuple(output), tuple(values))


def decision(run: JsonObject, sentence: Sentence) -> Iterator[Noted]:
    """Yield the actions of the last plan that acted, with their reasons."""
    for action in status_of(run).get("plan", {}).get("actions", ()):
        whom = f" {action['agent']}" if action.get("agent") else ""
        yield Noted(f"{action['intent']}{whom}: {action['reason']}", sentence(action["reason"]))


def conditions(run: JsonObject, sentence: Sentence) -> Iterator[Noted]:
    """Yield the conditions that no other part shows. The explanation follows from the reason, so the status does not have it."""
    for condition in status_of(run).get("conditions", ()):
        if condition["type"] not in SHOWN_ELSEWHERE:
            words = f"{condition['reason']}: {condition.get('message', '')}".removesuffix(": ")
            yield Noted(f"{condition['type']} is {condition['status']}: {words}", sentence(condition["reason"]))


def _agents(run: JsonObject) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Yield each agent of the spec with its status, which is empty before it has one."""
    standing = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    yield from ((agent, standing.get(agent["name"], {})) for agent in run["spec"]["agents"])
