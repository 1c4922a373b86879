"""Pure: a Run in full, as text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from controller.cli.rw import describe_model, styles
from controller.cli.rw.describe_model import Sentence, Work
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
from controller.cli.rw.table_format import table
from controller.cli.rw.text import INDENT, Cell, age, cut, joined, pairs, section, wrapped
from controller.cli.rw.timeline import Entry, timeline

SHOWN = 30
"""Maximum number of timeline entries, the newest ones."""

BRIEF_WIDTH = 200
"""Maximum characters of the brief; `get -o yaml` shows all of it."""


def describe_run(run: JsonObject, around: Around, sentence: Sentence, now: datetime, width: int | None) -> Text:
    """Return the full description of a Run."""
    waiting = oldest_first(around.escalations)
    inbox = inbox_table(waiting, (), now, width, spaces=False, indent=INDENT) if waiting else Text()
    return joined(
        [
            pairs(_fields(run, around, now), width),
            section("Agents", _agents(run, around, now, width)),
            section("Sources", _sources(run, width)),
            section("Results", _work(describe_model.results(run), width)),
            section("Verification and publication", _work(describe_model.tasks(run), width)),
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
    usage = used(run, around.reports)
    return [
        ("Name", name_of(run)),
        ("Namespace", namespace_of(run)),
        ("Phase", styles.phase(phase_of(run))),
        ("Why", describe_model.why(run)),
        ("Requested by", requester(run)),
        ("Wanted", spec.get("desiredState", "Running")),
        ("Policy", status.get("policy", {}).get("name", "")),
        ("Restarts", f"{status.get('restarts', 0)} charged"),
        ("Repeated", describe_model.repeated(run)),
        ("Tokens", f"{tokens(usage)}{_of_budget(spec)}" if usage or spec.get("tokenBudget") else ""),
        ("Cost", describe_model.cost(usage)),
        ("Created", _moment(created(run), now)),
        ("Started", _moment(started, now)),
        ("Ended", _moment(ended, now)),
        ("Brief", cut(spec.get("brief", ""), BRIEF_WIDTH)),
    ]


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
                describe_model.agent_words(found, report),
            ]
        )
    return table(("NAME", "HEALTH", "ATTEMPT", "RESTARTS", "ACTIVE", "PROGRESS", "WHY"), rows, width, INDENT)


def _sources(run: JsonObject, width: int | None) -> Text:
    return joined([wrapped(f"{name}: {words}", width, INDENT) for name, words in describe_model.sources(run)])


def _work(found: Iterable[Work], width: int | None) -> Text:
    lines = []
    for work in found:
        lines += [wrapped(f"{work.agent}: {each}", width, INDENT) for each in work.lines]
        lines += [wrapped(line, width, INDENT * 2, styles.DIM) for line in work.output]
        lines += [wrapped(f"{name}: {value}", width, INDENT * 2) for name, value in work.values]
    return joined(lines)


def _attempts(run: JsonObject, around: Around, now: datetime, width: int | None) -> Text:
    rows: list[list[Cell]] = []
    for one in describe_model.attempts(run, around):
        ran = age(one.started, one.ended or now)
        rows.append([one.name, one.pod, one.phase, age(one.created, now), ran, one.how])
    return table(("ATTEMPT", "POD", "PHASE", "AGE", "RAN", "ENDED"), rows, width, INDENT) if rows else Text()


def _decision(run: JsonObject, sentence: Sentence, width: int | None) -> Text:
    """Return the actions and reasons of the last plan that acted."""
    found = describe_model.decision(run, sentence)
    return joined([wrapped(f"{words}{f': {why}' if why else ''}", width, INDENT) for words, why in found])


def _conditions(run: JsonObject, sentence: Sentence, width: int | None) -> Text:
    lines = []
    for words, why in describe_model.conditions(run, sentence):
        lines.append(wrapped(words, width, INDENT))
        lines += [wrapped(why, width, INDENT * 2, styles.DIM)] if why else []
    return joined(lines)


def _timeline(entries: list[Entry], now: datetime, width: int | None) -> Text:
    rows: list[list[Cell]] = [[age(entry.at, now), f"{entry.at:%H:%M:%S}", entry.who, entry.what] for entry in entries[-SHOWN:]]
    left_out = len(entries) - len(rows)
    more = wrapped(f"{left_out} earlier entries are not shown", width, INDENT, styles.DIM) if left_out else Text()
    return joined([more, table(("AGO", "UTC", "WHO", "WHAT"), rows, width, INDENT, fold=True)]) if rows else Text()
