"""What the plugin reads of objects as kubectl prints them: plain dicts, so that no model has to be imported to start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from controller.api.names import REPORTER_CONTAINER
from controller.api.timestamps import earlier

JsonObject = dict[str, Any]

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
"""The phases that a Run does not leave."""

WAITING = frozenset({None, "", "Open"})
"""The phases of an escalation that nobody has answered."""

OUTPUT_ONLY = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences", "finalizers")
"""What an object's metadata has from the API server and its owners."""


def name_of(obj: JsonObject) -> str:
    """Return the object's name."""
    found: str = obj["metadata"]["name"]
    return found


def namespace_of(obj: JsonObject) -> str:
    """Return the object's namespace."""
    found: str = obj["metadata"].get("namespace", "")
    return found


def status_of(obj: JsonObject) -> JsonObject:
    """Return the object's status, empty before there is one."""
    return obj.get("status") or {}


def phase_of(run: JsonObject) -> str:
    """Return a Run's phase; Pending before the operator has seen it."""
    return status_of(run).get("phase") or "Pending"


def items_of(found: JsonObject) -> list[JsonObject]:
    """Return the objects of a list, or the one object that was asked for by its only name; none of an empty answer."""
    if not found:
        return []
    listed: list[JsonObject] = found.get("items", [found])
    return listed


def time_of(text: object) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime; None for none, and for what is no time."""
    try:
        moment = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def created(obj: JsonObject) -> datetime | None:
    """Return when the object was created."""
    return time_of(obj["metadata"].get("creationTimestamp"))


def waits(escalation: JsonObject) -> bool:
    """Whether an escalation waits for somebody's answer."""
    return status_of(escalation).get("phase") in WAITING and not escalation["spec"].get("response")


def responders_of(escalation: JsonObject) -> JsonObject | None:
    """Return who may answer, by the policy: empty for everybody whom RBAC lets, None for nobody yet."""
    found: JsonObject | None = escalation["spec"].get("responders", status_of(escalation).get("responders"))
    return found


FIRST = datetime.min.replace(tzinfo=UTC)


def oldest_first(escalations: Iterable[JsonObject]) -> list[JsonObject]:
    """Return those that wait for somebody, the longest-waiting first."""
    return sorted(filter(waits, escalations), key=lambda escalation: (created(escalation) or FIRST, name_of(escalation)))


def reported_at(report: JsonObject) -> datetime | None:
    """Return when the reporter last wrote: the API server's own stamp on its write of the status."""
    entries = report["metadata"].get("managedFields", ())
    mine = (e for e in entries if e.get("manager") == REPORTER_CONTAINER and e.get("subresource") == "status")
    return max((stamp for entry in mine if (stamp := time_of(entry.get("time")))), default=None)


def happened_at(report: JsonObject, field: str) -> datetime | None:
    """Return when the agent last showed what a report's `activityAgeSeconds` or `progressAgeSeconds` tells the age of."""
    stamp, age = reported_at(report), status_of(report).get(field)
    return earlier(stamp, age) if stamp and age is not None else None


def used(run: JsonObject, reports: Iterable[JsonObject]) -> JsonObject:
    """Return what a Run has used: its ended attempts by its status, the live ones by their reports; empty where nobody told."""
    agents = {agent["name"]: agent for agent in status_of(run).get("agents", ())}
    spent = [status_of(run).get("usage"), *(_live_usage(report, agents) for report in reports)]
    reported = [usage for usage in spent if usage]
    return {key: sum(usage.get(key, 0) for usage in reported) for key in USAGE} if reported else {}


USAGE = ("inputTokens", "outputTokens", "costMicroUSD")


def _live_usage(report: JsonObject, agents: dict[str, JsonObject]) -> JsonObject | None:
    """What an attempt has used that has not ended: an ended one is in the status already."""
    agent = agents.get(report["spec"]["agent"], {})
    live = not agent.get("outcome") and status_of(report).get("attempt") == agent.get("attempt", 0)
    return status_of(report).get("usage") if live else None


def label(obj: JsonObject, key: str) -> str:
    """Return a label's value, empty where there is none."""
    found: str = obj["metadata"].get("labels", {}).get(key, "")
    return found


JUDGED = "agent"
"""The container of a template that is judged, unless there is only one; as `controller.api.checks` has it."""


def judged(pod: JsonObject) -> str:
    """Return the name of the container that is the agent: the one named so, or the only one."""
    names: list[str] = [container["name"] for container in pod["spec"]["containers"]]
    return JUDGED if JUDGED in names else names[0]
