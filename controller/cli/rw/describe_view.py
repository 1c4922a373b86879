"""Pure: a Run in full, as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.text import Text

from controller.cli.rw import styles
from controller.cli.rw.containers import ending, judged_state
from controller.cli.rw.get_view import requester, tokens
from controller.cli.rw.inbox_view import inbox_table
from controller.cli.rw.objects import (
    JsonObject,
    created,
    happened_at,
    name_of,
    namespace_of,
    oldest_first,
    phase_of,
    status_of,
    time_of,
    used,
)
from controller.cli.rw.related_objects import Around
from controller.cli.rw.source_text import source_words
from controller.cli.rw.table_format import table
from controller.cli.rw.task_text import failed_output, published_words, verification_words
from controller.cli.rw.text import INDENT, Cell, age, cut, joined, pairs, section, wrapped
from controller.cli.rw.timeline import Entry, attempt_name, timeline

SHOWN = 30
"""Maximum number of timeline entries, the newest ones."""

OUTPUT_LINES = 12
"""Maximum lines of a failed verification's output, the last ones; `get -o yaml` and `logs --task verify` show more."""

MICRO = 1_000_000
"""Millionths in a whole."""

BRIEF_WIDTH = 200
"""Maximum characters of the brief; `get -o yaml` shows all of it."""

SHOWN_ELSEWHERE = frozenset({"Finished", "Succeeded", "Healthy", "PolicyResolved", "Escalated", "Halted"})
"""Conditions that the phase, the agents, the policy and the open escalations show."""

Sentence = Callable[[str], str]
"""Returns a reason's sentence, or an empty text for a reason that is not the operator's."""


def describe_run(run: JsonObject, around: Around, sentence: Sentence, now: datetime, width: int | None) -> Text:
    """Return the full description of a Run."""
    waiting = oldest_first(around.escalations)
    inbox = inbox_table(waiting, (), now, width, spaces=False, indent=INDENT) if waiting else Text()
    return joined(
        [
            pairs(_fields(run, around, now), width),
            section("Agents", _agents(run, around, now, width)),
            section("Sources", _sources(run, width)),
            section("Results", _results(run, width)),
            section("Verification and publication", _tasks(run, width)),
            section("Attempts", _attempts(run, around, now, width)),
            section("Last decision", _decision(run, sentence, width)),
            section("Conditions", _conditions(run, sentence, width)),
            section("Timeline", _timeline(timeline(run, around), now, width)),
            section("Open escalations", inbox),
            section("Not shown", joined([wrapped(str(denied), width, INDENT) for denied in around.denied])),
        ],
        "\n\n",
    )


def _fields(run: JsonObject, around: Around, now: datetime) -> list[tuple[str, Cell]]:
    spec, status = run["spec"], status_of(run)
    started, ended = time_of(status.get("startTime")), time_of(status.get("completionTime"))
    reason, message = status.get("reason", ""), status.get("message", "")
    usage = used(run, around.reports)
    return [
        ("Name", name_of(run)),
        ("Namespace", namespace_of(run)),
        ("Phase", styles.phase(phase_of(run))),
        ("Why", message if message and reason == phase_of(run) else f"{reason}: {message}".removesuffix(": ")),
        ("Requested by", requester(run)),
        ("Wanted", spec.get("desiredState", "Running")),
        ("Policy", status.get("policy", {}).get("name", "")),
        ("Restarts", f"{status.get('restarts', 0)} charged"),
        ("Repeated", _repeated(status)),
        ("Tokens", f"{tokens(usage)}{_of_budget(spec)}" if usage or spec.get("tokenBudget") else ""),
        ("Cost", f"{usage['costMicroUSD'] / MICRO:.2f} USD" if usage.get("costMicroUSD") else ""),
        ("Created", _moment(created(run), now)),
        ("Started", _moment(started, now)),
        ("Ended", _moment(ended, now)),
        ("Brief", cut(spec.get("brief", ""), BRIEF_WIDTH)),
    ]


def _repeated(status: JsonObject) -> str:
    """Return how often in a row the agents have failed in the same way, if their policy counts that."""
    found = [(agent["name"], agent["repeatedFailures"]) for agent in status.get("agents", ()) if "repeatedFailures" in agent]
    return "; ".join(f"{name} failed in the same way {times} times in a row" for name, times in found)


def _of_budget(spec: JsonObject) -> str:
    return f" of {spec['tokenBudget']:,}" if spec.get("tokenBudget") else ""


def _moment(moment: datetime | None, now: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({age(moment, now)} ago)" if moment else ""


def _agents(run: JsonObject, around: Around, now: datetime, width: int | None) -> Text:
    standing = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    rows: list[list[Cell]] = []
    for agent in run["spec"]["agents"]:
        found, report = standing.get(agent["name"], {}), around.report(agent["name"])
        name = agent["name"] if agent.get("required", True) else f"{agent['name']} (optional)"
        active = happened_at(report, "activityAgeSeconds") if report else None
        progress = happened_at(report, "progressAgeSeconds") if report else None
        rows.append(
            [
                name,
                styles.health(found.get("health", "-")),
                str(found.get("attempt", 0)),
                str(found.get("restarts", 0)),
                age(active, now),
                age(progress, now),
                _words(found, report),
            ]
        )
    return table(("NAME", "HEALTH", "ATTEMPT", "RESTARTS", "ACTIVE", "PROGRESS", "WHY"), rows, width, INDENT)


def _words(agent: JsonObject, report: JsonObject | None) -> str:
    """Return a healthy agent's last message, otherwise its problem."""
    if report and agent.get("health") == "Healthy" and status_of(report).get("message"):
        return str(status_of(report)["message"])
    result = agent.get("result") or {}
    if agent.get("message") and agent.get("reason") == agent.get("health"):
        return str(agent["message"])
    return result.get("summary") or f"{agent.get('reason', '')}: {agent.get('message', '')}".removesuffix(": ")


def _sources(run: JsonObject, width: int | None) -> Text:
    """Return the repositories in the agents' workspaces, with the commits that were cloned."""
    standing = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    found = ((agent["name"], source_words(agent, standing.get(agent["name"], {}))) for agent in run["spec"]["agents"])
    return joined([wrapped(f"{name}: {words}", width, INDENT) for name, words in found if words])


def _tasks(run: JsonObject, width: int | None) -> Text:
    """Return how the agents' work is verified and published, with the end of the output of a failed verification."""
    standing = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    lines = []
    for agent in run["spec"]["agents"]:
        found = standing.get(agent["name"], {})
        words = filter(None, (verification_words(agent, found), published_words(agent, found)))
        lines += [wrapped(f"{agent['name']}: {each}", width, INDENT) for each in words]
        lines += [wrapped(line, width, INDENT * 2, styles.DIM) for line in failed_output(found, OUTPUT_LINES)]
        outputs = (found.get("published") or {}).get("outputs") or {}
        lines += [wrapped(f"{name}: {value}", width, INDENT * 2) for name, value in outputs.items()]
    return joined(lines)


def _results(run: JsonObject, width: int | None) -> Text:
    """Return the agents' reported results with their outputs, for example a link."""
    lines = []
    for agent in status_of(run).get("agents", ()):
        result = agent.get("result") or {}
        words = ": ".join(filter(None, (result.get("outcome"), result.get("summary"))))
        lines += [wrapped(f"{agent['name']}: {words}", width, INDENT)] if words else []
        lines += [wrapped(f"{name}: {value}", width, INDENT * 2) for name, value in (result.get("outputs") or {}).items()]
    return joined(lines)


def _attempts(run: JsonObject, around: Around, now: datetime, width: int | None) -> Text:
    rows: list[list[Cell]] = []
    for pod in around.pods:
        state = judged_state(run, pod)
        started = time_of(state.get("running", {}).get("startedAt") or state.get("terminated", {}).get("startedAt"))
        ended = time_of(state.get("terminated", {}).get("finishedAt"))
        phase = status_of(pod).get("phase", "Pending")
        ran = age(started, ended or now)
        rows.append([attempt_name(pod), name_of(pod), phase, age(created(pod), now), ran, ending(run, pod)])
    return table(("ATTEMPT", "POD", "PHASE", "AGE", "RAN", "ENDED"), rows, width, INDENT) if rows else Text()


def _decision(run: JsonObject, sentence: Sentence, width: int | None) -> Text:
    """Return the actions and reasons of the last plan that acted."""
    lines = []
    for action in status_of(run).get("plan", {}).get("actions", ()):
        whom = f" {action['agent']}" if action.get("agent") else ""
        why = sentence(action["reason"])
        lines.append(wrapped(f"{action['intent']}{whom}: {action['reason']}{f': {why}' if why else ''}", width, INDENT))
    return joined(lines)


def _conditions(run: JsonObject, sentence: Sentence, width: int | None) -> Text:
    """Return the conditions that no other part shows. The explanation follows from the reason, so the status does not have it."""
    lines = []
    for condition in status_of(run).get("conditions", ()):
        if condition["type"] not in SHOWN_ELSEWHERE:
            words = f"{condition['reason']}: {condition.get('message', '')}".removesuffix(": ")
            lines.append(wrapped(f"{condition['type']} is {condition['status']}: {words}", width, INDENT))
            lines += [wrapped(why, width, INDENT * 2, styles.DIM)] if (why := sentence(condition["reason"])) else []
    return joined(lines)


def _timeline(entries: list[Entry], now: datetime, width: int | None) -> Text:
    rows: list[list[Cell]] = [[age(entry.at, now), f"{entry.at:%H:%M:%S}", entry.who, entry.what] for entry in entries[-SHOWN:]]
    left_out = len(entries) - len(rows)
    more = wrapped(f"{left_out} earlier entries are not shown", width, INDENT, styles.DIM) if left_out else Text()
    return joined([more, table(("AGO", "UTC", "WHO", "WHAT"), rows, width, INDENT, fold=True)]) if rows else Text()
