"""Pure: what people are told. Text of agents is data in it: cut, without control characters, and without the power to ping."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from controller.api.base import JsonObject
from controller.api.escalation import Decision, EscalationType
from controller.api.policy import Notification, NotificationEvent, ResolvedPolicy
from controller.api.run_status import TERMINAL_PHASES, Phase

TITLE_LIMIT, TEXT_LIMIT, LINE_LIMIT, BODY_LIMIT = 200, 1000, 160, 1700
"""Characters of a title, of an escalation's text or a Run's message, of an option or output, and of all: Discord takes 2000."""


class Level(StrEnum):
    """How a message looks, in apprise's words."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    INFO = "info"


LEVELS = {Phase.COMPLETED: Level.SUCCESS, Phase.FAILED: Level.FAILURE, Phase.STOPPED: Level.INFO}


@dataclass(frozen=True, slots=True)
class Message:
    """One event of one Run, as people read it."""

    event: NotificationEvent
    namespace: str
    run: str
    uid: str
    level: Level
    title: str
    body: str


SendMessage = Callable[[Message, tuple[Notification, ...]], None]
"""Has a message sent to every place, some time. Never waits, never raises."""


def discard(message: Message, places: tuple[Notification, ...]) -> None:
    """Tell nobody."""


def places_for(policy: ResolvedPolicy | None, event: NotificationEvent) -> tuple[Notification, ...]:
    """Return where a policy wants an event to be told."""
    return tuple(place for place in policy.spec.notifications if event in place.events) if policy else ()


def opened(escalation: JsonObject) -> Message:
    """Return what is told of an escalation that waits for a human."""
    meta, spec = escalation["metadata"], escalation["spec"]
    options = tuple(spec.get("options", ()))
    listed = ", ".join(_cut(option, LINE_LIMIT) for option in options)
    answers = answer_commands(EscalationType(spec["type"]), meta["namespace"], meta["name"], options)
    parts = (_cut(spec.get("text", ""), TEXT_LIMIT), f"Options: {_cut(listed, LINE_LIMIT)}" if listed else "", _lines(answers))
    title = f"runwarden: {meta['namespace']}/{spec['runName']} needs you: {spec['summary']}"
    return Message(
        event=NotificationEvent.ESCALATION_OPENED,
        namespace=meta["namespace"],
        run=spec["runName"],
        uid=spec["runUID"],
        level=Level.WARNING,
        title=_one_line(title),
        body=_cut("\n\n".join(filter(None, parts)), BODY_LIMIT),
    )


def finished(before: str | None, run: JsonObject) -> Message | None:
    """Return what is told of a Run whose status was just written, None unless that was what ended it.

    `before` is the completionTime of the status that this one replaced: a finished Run has one for good.
    """
    meta, status = run["metadata"], run.get("status", {})
    phase = status.get("phase")
    if before or not status.get("completionTime") or phase not in TERMINAL_PHASES:
        return None
    head = f"{phase} ({status.get('reason', '')}): {_cut(status.get('message', ''), TEXT_LIMIT)}"
    return Message(
        event=NotificationEvent.RUN_FINISHED,
        namespace=meta["namespace"],
        run=meta["name"],
        uid=meta["uid"],
        level=LEVELS[Phase(phase)],
        title=_one_line(f"runwarden: {meta['namespace']}/{meta['name']} {phase}: {status.get('reason', '')}"),
        body=_cut("\n\n".join(filter(None, (head, _lines(_results(status))))), BODY_LIMIT),
    )


def answer_commands(kind: EscalationType, namespace: str, name: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """Return the commands that answer an escalation; a human copies one of them.

    An agent's own words stand behind `--`, so that an option such as `--as=admin` is an answer and no flag.
    """
    tail = f"-n {namespace} {name}"
    match kind:
        case EscalationType.APPROVAL:
            return (f"kubectl rw approve {tail}", f"kubectl rw deny {tail}")
        case EscalationType.BLOCKED:
            return tuple(f"kubectl rw {VERBS[decision]} {tail}" for decision in options if decision in VERBS)
        case EscalationType.QUESTION:
            typed = (quoted for option in options if (quoted := _typed(option)))
            return (f"kubectl rw answer {tail} -- {next(typed, shlex.quote('YOUR ANSWER'))}",)


VERBS: dict[str, str] = {Decision.RETRY: "retry", Decision.STOP: "fail", Decision.WAIT: "wait"}
"""The command that gives a blocked Run's decision."""

STDIN = "-"
"""An answer that `kubectl rw answer` reads from its input instead."""


def _typed(option: str) -> str:
    """An option that an agent chose, quoted for a shell; empty for one that the message cannot show as it is, in one short line."""
    quoted = shlex.quote(option)
    as_it_is = _cut(option, LINE_LIMIT) == option and option.isprintable() and option != STDIN
    return quoted if as_it_is and len(quoted) <= LINE_LIMIT else ""


def _results(status: JsonObject) -> Iterable[str]:
    """What the agents say that came of it, a line each."""
    for agent in status.get("agents", ()):
        result = agent.get("result") or {}
        if summary := result.get("summary"):
            yield f"{agent['name']}: {_cut(summary, LINE_LIMIT)}"
        for name, value in (result.get("outputs") or {}).items():
            yield f"{agent['name']}: {name} = {_cut(value, LINE_LIMIT)}"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return _cut(" ".join(text.split()), TITLE_LIMIT)


_CONTROL = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PING = re.compile(r"(?<!\w)@(?=\w)|<(?=[!@#])")
"""What chat services take for a call to people: @everyone, <!channel>, <@U123>."""


def _cut(text: str, limit: int) -> str:
    """Text that was not written for people's chats, harmless there: a zero-width space takes the force out of a ping."""
    plain = _PING.sub("\\g<0>\u200b", _CONTROL.sub(" ", text))
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"
