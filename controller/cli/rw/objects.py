"""Accessors for objects as kubectl prints them: plain dicts, so that no model has to be imported at startup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from controller.api.names import REPORTER_CONTAINER
from controller.api.timestamps import earlier

JsonObject = dict[str, Any]

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
"""Phases that a Run does not leave."""

WAITING = frozenset({None, "", "Open"})
"""Phases of an unanswered escalation."""

OUTPUT_ONLY = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences", "finalizers")
"""Metadata fields that the API server and owners set."""


def name_of(obj: JsonObject) -> str:
    """Return the object's name."""
    found: str = obj["metadata"]["name"]
    return found


def namespace_of(obj: JsonObject) -> str:
    """Return the object's namespace."""
    found: str = obj["metadata"].get("namespace", "")
    return found


def status_of(obj: JsonObject) -> JsonObject:
    """Return the object's status, empty if it has none yet."""
    return obj.get("status") or {}


def phase_of(run: JsonObject) -> str:
    """Return a Run's phase; Pending before the operator has processed it."""
    return status_of(run).get("phase") or "Pending"


def items_of(found: JsonObject) -> list[JsonObject]:
    """Return the objects of a list, or a single object as a list; none for an empty response."""
    if not found:
        return []
    listed: list[JsonObject] = found.get("items", [found])
    return listed


def time_of(text: object) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime; None for an empty or invalid text."""
    try:
        moment = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def created(obj: JsonObject) -> datetime | None:
    """Return when the object was created."""
    return time_of(obj["metadata"].get("creationTimestamp"))


def waits(escalation: JsonObject) -> bool:
    """Whether an escalation waits for an answer."""
    return status_of(escalation).get("phase") in WAITING and not escalation["spec"].get("response")


def responders_of(escalation: JsonObject) -> JsonObject | None:
    """Return who may answer, by the policy: empty for everybody with RBAC permission, None for nobody yet."""
    found: JsonObject | None = escalation["spec"].get("responders", status_of(escalation).get("responders"))
    return found


FIRST = datetime.min.replace(tzinfo=UTC)


def oldest_first(escalations: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the escalations that wait for an answer, the oldest first."""
    return sorted(filter(waits, escalations), key=lambda escalation: (created(escalation) or FIRST, name_of(escalation)))


def reported_at(report: JsonObject) -> datetime | None:
    """Return when the reporter last wrote: the API server's timestamp of its write to the status."""
    entries = report["metadata"].get("managedFields", ())
    mine = (e for e in entries if e.get("manager") == REPORTER_CONTAINER and e.get("subresource") == "status")
    return max((stamp for entry in mine if (stamp := time_of(entry.get("time")))), default=None)


def happened_at(report: JsonObject, field: str) -> datetime | None:
    """Return the time whose age is a report's `activityAgeSeconds` or `progressAgeSeconds`."""
    stamp, age = reported_at(report), status_of(report).get(field)
    return earlier(stamp, age) if stamp and age is not None else None


def used(run: JsonObject, reports: Iterable[JsonObject]) -> JsonObject:
    """Return a Run's usage: from its status for ended attempts, from reports for live ones; empty if nothing was reported."""
    agents = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    spent = [status_of(run).get("usage"), *(live_usage(report, agents) for report in reports)]
    reported = [usage for usage in spent if usage]
    return {key: sum(usage.get(key, 0) for usage in reported) for key in USAGE} if reported else {}


USAGE = ("inputTokens", "outputTokens", "costMicroUSD")


def live_usage(report: JsonObject, agents: dict[str, JsonObject]) -> JsonObject | None:
    """Return the usage of a live attempt; that of an ended one is already in the status."""
    agent = agents.get(report["spec"]["agent"], {})
    live = not agent.get("outcome") and status_of(report).get("attempt") == agent.get("attempt", 0)
    return status_of(report).get("usage") if live else None


def label(obj: JsonObject, key: str) -> str:
    """Return a label's value, or an empty text."""
    found: str = obj["metadata"].get("labels", {}).get(key, "")
    return found
