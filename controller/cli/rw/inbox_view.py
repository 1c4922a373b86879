"""Pure: the inbox as a table, and one escalation in full."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from rich.text import Text

from controller.cli.rw import styles
from controller.cli.rw.objects import JsonObject, created, name_of, namespace_of, responders_of, status_of, time_of, waits
from controller.cli.rw.responses import NOBODY_YET, became
from controller.cli.rw.table_format import table
from controller.cli.rw.text import Cell, age, joined, pairs, section, until, wrapped

SOON_SECONDS = 900
"""Escalations that expire sooner than this are highlighted."""


def inbox_table(
    waiting: Sequence[JsonObject], me: Collection[str], now: datetime, width: int | None, *, spaces: bool, indent: str = ""
) -> Text:
    """Return one line per escalation; `me` contains the names of the caller and of the caller's groups."""
    header = ("NAME", "TYPE", "RUN", "AGE", "EXPIRES", "MAY ANSWER", "SUMMARY")
    rows = []
    for escalation in waiting:
        spec = escalation["spec"]
        row: list[Cell] = [name_of(escalation), spec["type"], subject_of(spec), age(created(escalation), now)]
        row += [_expiry(spec, now), responders(escalation, me), spec["summary"]]
        rows.append([namespace_of(escalation), *row] if spaces else row)
    return table(("NAMESPACE", *header) if spaces else header, rows, width, indent)


def subject_of(spec: JsonObject) -> str:
    """Return the Run that an escalation is about, or the provider of a budget."""
    return f"provider {spec['runName']}" if spec["type"] == "Budget" else str(spec["runName"])


def responders(escalation: JsonObject, me: Collection[str] = ()) -> str:
    """Return who may answer, in few words; `you` if the caller is named."""
    named = responders_of(escalation)
    if named is None:
        return "nobody yet"
    people = [*named.get("users", ()), *(f"group {group}" for group in named.get("groups", ()))]
    people += [f"{bridge} (bridge)" for bridge in named.get("bridges", ())]
    if not people:
        return "anybody"
    if {*named.get("users", ()), *named.get("groups", ())} & set(me):
        return "you"
    return ", ".join(people)


def in_full(escalation: JsonObject, me: Collection[str], now: datetime, width: int | None) -> Text:
    """Return an escalation's full text, and the possible answers."""
    spec, response = escalation["spec"], escalation["spec"].get("response")
    expires = time_of(spec.get("expiresAt"))
    fields: list[tuple[str, Cell]] = [
        ("Name", name_of(escalation)),
        ("Type", spec["type"]),
        (
            "Provider" if spec["type"] == "Budget" else "Run",
            spec["runName"] + (f", agent {spec['agent']}" if spec.get("agent") else ""),
        ),
        ("Asked", f"{age(created(escalation), now)} ago"),
        ("Phase", status_of(escalation).get("phase") or "Open"),
        ("Expires", f"{expires:%Y-%m-%d %H:%M} UTC ({until(expires, now)})" if expires else "never"),
        ("May answer", _answerers(escalation, me)),
        ("Result", "" if waits(escalation) or not response else became(escalation)),
    ]
    parts = [pairs(fields, width), wrapped(spec.get("text") or spec["summary"], width), *_blocks(spec, width)]
    return joined(parts, "\n\n")


def _answerers(escalation: JsonObject, me: Collection[str]) -> str:
    """Return who may answer, as a sentence; or the reason why nobody may."""
    if responders_of(escalation) is None:
        return NOBODY_YET
    return responders(escalation) + (", you among them" if responders(escalation, me) == "you" else "")


def _blocks(spec: JsonObject, width: int | None) -> list[Text]:
    numbered = "\n".join(f"{number}) {option}" for number, option in enumerate(spec.get("options", ()), 1))
    options = wrapped(numbered, width, "  ") if numbered and spec["type"] == "Question" else Text()
    proposal, advice = spec.get("proposal"), spec.get("suggestion")
    return [
        section("Options", options),
        section("Proposal", wrapped(f"{proposal['action']}: {proposal.get('text', '')}", width, "  ") if proposal else Text()),
        section(
            f"Suggestion, by the advisor {advice.get('advisor', '')}".rstrip() if advice else "",
            wrapped(advice["text"], width, "  ") if advice else Text(),
        ),
    ]


def _expiry(spec: JsonObject, now: datetime) -> Cell:
    expires = time_of(spec.get("expiresAt"))
    soon = expires is not None and (expires - now).total_seconds() < SOON_SECONDS
    return until(expires, now), styles.LOUD if soon else ""
