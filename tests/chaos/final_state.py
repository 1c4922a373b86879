"""The end of a Run, without data that differs between any two Runs: times, UIDs, the names of nodes."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from controller.api.base import JsonObject
from controller.api.names import ANNOTATION_STATE, LABEL_AGENT, LABEL_ATTEMPT
from controller.store.sql.database import Database
from controller.store.sql.tables import states
from tests.chaos.case import FINISHED, Scene

AGENT_FIELDS = ("name", "attempt", "podName", "health", "reason", "restarts", "outcome")
STATE_FIELDS = ("attempt", "restarts", "freeRestarts", "lastOutcome", "outcome")
OUTCOME_FIELDS = ("attempt", "result", "reason", "exitCode")

SIGNALS = 128
"""A shell's exit codes above this stand for a signal."""


def end_of(scene: Scene, store: str) -> JsonObject:
    """Return the scene's final state: the status, the operator's own record, its escalations and pods."""
    run, status = scene.found, scene.found.get("status", {})
    return {
        "phase": status.get("phase"),
        "reason": status.get("reason"),
        "restarts": status.get("restarts", 0),
        "openEscalations": status.get("openEscalations", 0),
        "conditions": sorted(f"{c['type']}={c['status']} {c['reason']}" for c in status.get("conditions", [])),
        "agents": [_only(agent, AGENT_FIELDS) for agent in status.get("agents", [])],
        "state": _state(state_of(run, store)),
        "escalations": sorted(_escalation(e) for e in scene.escalations),
        "pods": dict(_pod(pod) for pod in scene.evidence.all_of("pods", scene.namespace) if _owner(pod) == run["metadata"]["uid"]),
    }


def settled(scene: Scene) -> bool:
    """Whether the Run has finished and no question is open any more."""
    return scene.phase in FINISHED and all(
        e.get("status", {}).get("phase") not in (None, "Open", "Answered") for e in scene.escalations
    )


def state_of(run: JsonObject, store: str) -> JsonObject:
    """Return the operator's record of a Run, read without the operator."""
    if "://" in store:
        raw = rows(store).get(run["metadata"]["uid"])
        return json.loads(raw) if raw else {}
    if store == "annotations":
        envelope = json.loads(run["metadata"].get("annotations", {}).get(ANNOTATION_STATE, "{}"))
        return dict(envelope.get("state", {}))
    return dict(run.get("status", {}).get("operatorState", {}))


def rows(store: str) -> dict[str, str]:
    """Return the states in a database, by the Run's UID."""
    database = Database(store)
    try:
        found = database.transact(lambda connection: connection.execute(sa.select(states.c.run_id, states.c.state)).all())
    finally:
        database.dispose()
    return {row.run_id: row.state for row in found}


def _state(state: JsonObject) -> JsonObject:
    stop = state.get("stop") or {}
    return {
        "stop": _only(stop, ("phase", "reason")) | {"complete": "completedAt" in stop},
        "pausedAt": "pausedAt" in state,
        "agents": {name: _agent(agent) for name, agent in sorted(state.get("agents", {}).items())},
    }


def _agent(agent: JsonObject) -> JsonObject:
    told = _only(agent, STATE_FIELDS)
    if not agent.get("outcome"):
        return told
    outcome = _only(agent["outcome"], OUTCOME_FIELDS)
    return told | {"outcome": outcome | {"exitCode": _code(outcome.get("exitCode"))}}


def _escalation(found: JsonObject) -> str:
    labels, spec = found["metadata"]["labels"], found["spec"]
    decision = spec.get("response", {}).get("decision", "unanswered")
    phase = found.get("status", {}).get("phase")
    return f"{labels[LABEL_AGENT]} attempt {labels[LABEL_ATTEMPT]}: {spec['type']}, {decision}, {phase}"


def _pod(pod: JsonObject) -> tuple[str, str]:
    codes = [_code(c["state"].get("terminated", {}).get("exitCode")) for c in pod["status"].get("containerStatuses", [])]
    return pod["metadata"]["name"], f"{pod['status'].get('phase')} {codes}"


def _code(code: int | None) -> int | str | None:
    """Return an exit code; a shell that gets TERM or KILL may or may not have set its trap yet."""
    return "by a signal" if code is not None and code > SIGNALS else code


def _owner(pod: JsonObject) -> str:
    return next((str(owner["uid"]) for owner in pod["metadata"].get("ownerReferences", [])), "")


def _only(found: JsonObject, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: found[name] for name in fields if name in found}
