"""Common code of all stores: how a state is written as JSON, when a state is refused, and which status is written with it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from controller.api.base import JsonObject, dump, parse
from controller.api.operator_state import SCHEMA_VERSION, OperatorState
from controller.store import STORE_FIELDS, Loaded

EVIDENCE = STORE_FIELDS | {"startTime", "completionTime", "agents", "restarts"}
"""Status fields that a refusal keeps: without them the Run would look as if it had never started."""


def encode(state: OperatorState) -> str:
    """Return the state as JSON text; equal states give equal text."""
    return json.dumps(dump(state), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def decode(text: str, where: str) -> JsonObject | str:
    """Return the JSON object in a text, or the reason why it cannot be read."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"{where} is not JSON ({error}); {NOTHING_DONE}"
    return raw if isinstance(raw, dict) else f"{where} is not a JSON object; {NOTHING_DONE}"


def started(run: JsonObject) -> bool:
    """Whether anything was ever saved for a Run, according to its status."""
    status = run.get("status", {})
    return bool(status.get("startTime") or status.get("stateVersion"))


def mismatch(run: JsonObject, store_id: str) -> str:
    """Return the reason why a Run belongs to another store; empty if it belongs to this store or to none yet."""
    found = run.get("status", {}).get("storeID", store_id)
    if found == store_id:
        return ""
    return (
        f"StoreMismatch: status.storeID is {found!r}, but this operator keeps its state in {store_id!r}: start it with the store "
        "that the Run was started with, or move the Runs with `runwatchman store migrate`"
    )


def judge(run: JsonObject, raw: Any, where: str, version: int | None = None) -> Loaded:
    """Validate a stored state and return it, or the reason why it is refused; `where` is its name in messages.

    Nothing but this checks a record: the CRD accepts any object. `version` counts the saves, None for a store that writes state and
    status at once.
    """
    count = version or 0
    if raw is None:
        return Loaded(refusal=_missing(where), version=count) if started(run) else Loaded(version=count)
    if refusal := _unreadable(raw, where):
        return Loaded(refusal=refusal, version=count)
    try:
        state = parse(OperatorState, raw)
    except (ValueError, RecursionError) as error:
        return Loaded(refusal=_invalid(where, error), version=count)
    if state.run_uid != run["metadata"]["uid"]:
        return Loaded(refusal=_foreign(where, state, run) if started(run) else "", version=count)
    recorded = run.get("status", {}).get("stateVersion", 0)
    if older := _older(run, state) or (version is not None and version < recorded and f"save {version} of {recorded}"):
        return Loaded(refusal=_rolled_back(where, older), version=count)
    return Loaded(state=state, version=count, pending=version is not None and version > recorded)


def full_status(
    run: JsonObject, before: Loaded, status: JsonObject, store_id: str, *, version: int = 0, raw: JsonObject | None = None
) -> JsonObject:
    """Return the status to write: the plan's status and the store's fields.

    A refused Run keeps the fields that show its start and its store, so that the next pass does not take it for a new Run.
    """
    if before.refusal:
        kept = run.get("status", {})
        return {**status, **{key: kept[key] for key in EVIDENCE if key in kept}}
    written = {**status, "storeID": store_id}
    written |= {"stateVersion": version} if version else {}
    return written | ({"operatorState": raw} if raw is not None else {})


def moved_status(run: JsonObject, store_id: str, *, version: int = 0, raw: JsonObject | None = None) -> JsonObject:
    """Return a Run's unchanged status, assigned to another store."""
    kept = {key: value for key, value in run.get("status", {}).items() if key not in STORE_FIELDS}
    return full_status(run, Loaded(), kept, store_id, version=version, raw=raw)


NOTHING_DONE = "nothing is done for this Run; restore it from a backup, or delete the Run and apply it again"


def _missing(where: str) -> str:
    return f"the Run has started, but {where} is missing: what was done for it is unknown; {NOTHING_DONE}"


def _invalid(where: str, error: Exception) -> str:
    """Return the first wrong field and its fault; a record that JSON cannot hold has no field to blame."""
    if not isinstance(error, ValidationError):
        return f"{where} cannot be read: {error}; {NOTHING_DONE}"
    first = error.errors()[0]
    path = ".".join((where, *(str(part) for part in first["loc"])))
    return f"{path} cannot be read: {first['msg']}; {NOTHING_DONE}"


def _unreadable(raw: Any, where: str) -> str:
    """Return the reason why a record must not be read although its fields may be: it needs a newer reader, or lacks a count."""
    if not isinstance(raw, dict):
        return f"{where} is not a JSON object; {NOTHING_DONE}"
    if isinstance(least := raw.get("schemaVersion", 1), int) and least > SCHEMA_VERSION:
        return _newer(where, least)
    lost = _uncounted(raw)
    return f"{where}.{lost} is missing, which every version writes; {NOTHING_DONE}" if lost else ""


def _newer(where: str, found: int) -> str:
    return (
        f"{where}.schemaVersion is {found}, written by a newer runwatchman; this one reads up to {SCHEMA_VERSION}: upgrade the "
        "operator again; nothing is done for this Run until then, and its record stays as it is"
    )


def _foreign(where: str, state: OperatorState, run: JsonObject) -> str:
    uid = run["metadata"]["uid"]
    return f"{where} belongs to the Run with UID {state.run_uid!r}, this one is {uid!r} and has started; {NOTHING_DONE}"


def _rolled_back(where: str, why: str) -> str:
    return (
        f"{where} is older than the Run's status ({why}): the store was rolled back, and what was done since is unknown; "
        "restore a newer backup of the store, or delete the Run and apply it again"
    )


COUNTS = ("attempt", "restarts", "freeRestarts")
"""Fields of an agent that every version writes. Unknown fields are preserved, so a count under another name must not be read as
zero.
"""


def _uncounted(raw: JsonObject) -> str:
    """Return the count that an agent's record lacks, or an empty text. Values that are not an agent's record are not checked
    here.
    """
    agents = raw.get("agents", {})
    found = agents.items() if isinstance(agents, dict) else ()
    lost = (f"agents.{name}.{key}" for name, kept in found if isinstance(kept, dict) for key in COUNTS if key not in kept)
    return next(lost, "")


def _older(run: JsonObject, state: OperatorState) -> str:
    """Return how a state is behind the agents' entries in the status, or an empty text."""
    for recorded in run.get("status", {}).get("agents", ()):
        kept = state.agents.get(recorded["name"])
        attempt = kept.attempt if kept else 0
        if recorded.get("attempt", 0) > attempt:
            return f"agent {recorded['name']} was at attempt {recorded['attempt']}, the store says {attempt}"
    return ""
