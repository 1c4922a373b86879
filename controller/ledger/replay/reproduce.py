"""Decides again in the situation of a row, and compares the plan with the recorded one byte for byte. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.api.base import JsonObject
from controller.api.redaction import REDACTED
from controller.api.timestamps import format_time
from controller.api.violations import Refused
from controller.ledger.bounds import CUT, clip, text_of
from controller.ledger.reading import DamagedRow, Row
from controller.ledger.tables import PLAN_BYTES
from controller.plan import Plan, Snapshot, plan
from controller.plan.plan_document import write_plan
from controller.plan.snapshot_reader import read_snapshot

SHOWN = 120
"""Maximum characters of a value in a finding."""


class Result(StrEnum):
    """The result of a row's replay."""

    REPRODUCED = "reproduced"
    DIFFERENT = "different"
    CUT = "cut"
    REDACTED = "redacted"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of the plan, its recorded value and its value now. A value is empty if the field is."""

    field: str
    recorded: str
    now: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that was not reproduced: its ID, time and Run (empty if unreadable), the result, and what differs or is wrong."""

    id: int
    at: str
    namespace: str
    run: str
    result: Result
    problem: str = ""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """A row's snapshot as the planner reads it, its time, and the plan, which is the recorded one."""

    snapshot: Snapshot
    now: datetime
    plan: Plan


def reproduce(row: Row | DamagedRow) -> Situation | Finding:
    """Return the situation of a row whose plan this program makes again, or how it differs, or why the row cannot be judged."""
    if isinstance(row, DamagedRow):
        return Finding(row.id, "", "", "", Result.DAMAGED, row.problem)
    try:
        snapshot, now = read_snapshot(json.loads(row.snapshot))
    except Exception as error:  # noqa: BLE001  # the row's content may be anything: it is reported, and the next row is read
        return _unreadable(row, error)
    try:
        decision = plan(snapshot, now)
        text = _text(write_plan(decision), row.plan)
    except Exception as error:  # noqa: BLE001  # this program must plan whatever another one could
        return _found(row, Result.DIFFERENT, (Difference("plan", "", f"{type(error).__name__}: {error}"[:SHOWN]),))
    if text == row.plan and (row.rule, row.digest) == (decision.rule, decision.digest):
        return Situation(snapshot, now, decision)
    return _compare(row, text)


def _text(document: JsonObject, recorded: str) -> str:
    """Return a plan as the ledger writes it. Most plans have no secret and nothing to cut, so the plain text is compared first."""
    plain = json.dumps(document, ensure_ascii=False)
    return plain if plain == recorded else text_of(clip(document, PLAN_BYTES), PLAN_BYTES)


def _compare(row: Row, text: str) -> Finding:
    """Return what differs between the recorded plan and the one now."""
    try:
        recorded = json.loads(row.plan)
    except (ValueError, RecursionError) as error:
        return _found(row, Result.DAMAGED, problem=f"plan: {error}")
    if not isinstance(recorded, dict):
        return _found(row, Result.DAMAGED, problem="plan: must be an object")
    found = tuple(_differences(recorded, json.loads(text))) or (Difference("bytes", row.plan[:SHOWN], text[:SHOWN]),)
    if mark := _mark(row):
        return _found(row, mark, found, problem=PROBLEMS[mark])
    return _found(row, Result.DIFFERENT, found)


def _differences(recorded: JsonObject, now: JsonObject) -> list[Difference]:
    keys = [*recorded, *(key for key in now if key not in recorded)]
    return [Difference(key, _shown(recorded.get(key)), _shown(now.get(key))) for key in keys if recorded.get(key) != now.get(key)]


def _shown(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _unreadable(row: Row, error: Exception) -> Finding:
    """Return why a snapshot cannot be read: a part was left out or replaced, or the row is damaged."""
    mark = _mark(row)
    first = str(error.violations[0]) if isinstance(error, Refused) and error.violations else f"{type(error).__name__}: {error}"
    return _found(row, mark or Result.DAMAGED, problem=f"snapshot: {first[:SHOWN]}")


def _mark(row: Row) -> Result | None:
    """Return how the ledger changed a snapshot, if it did."""
    return Result.CUT if CUT in row.snapshot else Result.REDACTED if REDACTED in row.snapshot else None


PROBLEMS = {
    Result.CUT: "a part of the snapshot was too large for the ledger",
    Result.REDACTED: "a text of the snapshot was taken for a secret",
}
"""Why a plan may differ although the decision is the same."""


def _found(row: Row, result: Result, differences: tuple[Difference, ...] = (), problem: str = "") -> Finding:
    return Finding(row.id, format_time(row.at), row.namespace, row.run, result, problem, differences)
