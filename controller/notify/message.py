"""Messages to people. Agents' text is data in them: cut, without control characters, and without mentions that ping. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from controller.api.base import JsonObject
from controller.api.escalation import Decision, EscalationType
from controller.api.notification import Notification, NotificationEvent, ProviderEvent
from controller.api.phases import TERMINAL_PHASES, Phase
from controller.api.resolved_policy import ResolvedPolicy

TITLE_LIMIT, TEXT_LIMIT, LINE_LIMIT, BODY_LIMIT = 200, 1000, 160, 1700
"""Maximum characters of a title, an escalation's text or Run's message, an option or output, and a body. Discord accepts 2000."""


class Level(StrEnum):
    """The severity of a message, with apprise's values."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    INFO = "info"


LEVELS = {Phase.COMPLETED: Level.SUCCESS, Phase.FAILED: Level.FAILURE, Phase.STOPPED: Level.INFO}


@dataclass(frozen=True, slots=True)
class Message:
    """A notification about one event of one Run, or of a provider, whose name and UID are then in place of the Run's."""

    event: NotificationEvent | ProviderEvent
    namespace: str
    run: str
    uid: str
    level: Level
    title: str
    body: str
    kind: str = "Run"


SendMessage = Callable[[Message, tuple[Notification, ...]], None]
"""Queues a message for all targets of notifications. Never waits, never raises."""


def discard(message: Message, targets: tuple[Notification, ...]) -> None:
    """Send the message to nobody."""


def places_for(policy: ResolvedPolicy | None, event: NotificationEvent) -> tuple[Notification, ...]:
    """Return the targets that a policy has for an event."""
    return tuple(target for target in policy.spec.notifications if event in target.events) if policy else ()


def opened(escalation: JsonObject) -> Message:
    """Return the message about an escalation that waits for a human."""
    meta, spec = escalation["metadata"], escalation["spec"]
    options = tuple(spec.get("options", ()))
    listed = ", ".join(_cut(option, LINE_LIMIT) for option in options)
    answers = answer_commands(EscalationType(spec["type"]), meta["namespace"], meta["name"], options)
    parts = (_cut(spec.get("text", ""), TEXT_LIMIT), f"Options: {_cut(listed, LINE_LIMIT)}" if listed else "", _lines(answers))
    subject = "provider " if spec["type"] == EscalationType.BUDGET else ""
    title = f"runwatchman: {subject}{meta['namespace']}/{spec['runName']} needs you: {spec['summary']}"
    return Message(
        event=NotificationEvent.ESCALATION_OPENED,
        namespace=meta["namespace"],
        run=spec["runName"],
        uid=spec["runUID"],
        level=Level.WARNING,
        title=_one_line(title),
        body=_cut("\n\n".join(filter(None, parts)), BODY_LIMIT),
        kind="Provider" if subject else "Run",
    )


def budget_warned(provider: JsonObject, words: str) -> Message:
    """Return the message about a budget that is nearly spent; `provider` is the metadata."""
    return Message(
        event=ProviderEvent.BUDGET_WARNED,
        namespace=provider["namespace"],
        run=provider["name"],
        uid=provider["uid"],
        level=Level.WARNING,
        title=_one_line(f"runwatchman: provider {provider['namespace']}/{provider['name']}: {words}"),
        body=_cut(words, BODY_LIMIT),
        kind="Provider",
    )


def finished(before: str | None, run: JsonObject) -> Message | None:
    """Return the message about a Run whose new status has finished it, None for any other status.

    `before` is the completionTime of the previous status. A finished Run keeps its completionTime.
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
        title=_one_line(f"runwatchman: {meta['namespace']}/{meta['name']} {phase}: {status.get('reason', '')}"),
        body=_cut("\n\n".join(filter(None, (head, _lines(_results(status))))), BODY_LIMIT),
    )


def linked(message: Message, page_url: str) -> Message:
    """Return the message with a link to the page of its Run, unless there is no page. A body's limit leaves room for it."""
    if not page_url:
        return message
    return replace(message, body=f"{message.body}\n\n{page_url}/runs/{message.namespace}/{message.run}".lstrip())


def answer_commands(kind: EscalationType, namespace: str, name: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """Return the commands that answer an escalation, for a human to copy.

    Text of an agent comes after `--`, so that an option such as `--as=admin` is an answer and not a flag.
    """
    tail = f"-n {namespace} {name}"
    match kind:
        case EscalationType.APPROVAL | EscalationType.BUDGET:
            return (f"kubectl rw approve {tail}", f"kubectl rw deny {tail}")
        case EscalationType.BLOCKED:
            return tuple(f"kubectl rw {VERBS[decision]} {tail}" for decision in options if decision in VERBS)
        case EscalationType.QUESTION:
            typed = (quoted for option in options if (quoted := _typed(option)))
            return (f"kubectl rw answer {tail} -- {next(typed, shlex.quote('YOUR ANSWER'))}",)


VERBS: dict[str, str] = {Decision.RETRY: "retry", Decision.STOP: "fail", Decision.WAIT: "wait"}
"""Decision about a blocked Run -> its command."""

STDIN = "-"
"""The answer that makes `kubectl rw answer` read from stdin."""


def _typed(option: str) -> str:
    """Return an agent's option quoted for a shell, or an empty text if the message cannot show it unchanged in one short line."""
    quoted = shlex.quote(option)
    as_it_is = _cut(option, LINE_LIMIT) == option and option.isprintable() and option != STDIN
    return quoted if as_it_is and len(quoted) <= LINE_LIMIT else ""


def _results(status: JsonObject) -> Iterable[str]:
    """Yield the results that the agents reported, a line each."""
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
"""Mentions that chat services turn into pings: @everyone, <!channel>, <@U123>."""


def _cut(text: str, limit: int) -> str:
    """Return text that is harmless in chats and cut to `limit`. A zero-width space disables mentions."""
    plain = _PING.sub("\\g<0>\u200b", _CONTROL.sub(" ", text))
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"
