"""Pure: the agent of a Run that a command names, and its status."""

from __future__ import annotations

from controller.cli.rw.objects import JsonObject, name_of, status_of
from controller.cli.rw.user_error import Problem, did_you_mean


def chosen(run: JsonObject, wanted: str | None) -> JsonObject:
    """Return the named agent of the spec, or the only one. Raises Problem, which lists the agents."""
    known: dict[str, JsonObject] = {agent["name"]: agent for agent in run["spec"]["agents"]}
    if wanted is None and len(known) > 1:
        raise Problem(f"Run {name_of(run)} has several agents", f"name one of {', '.join(known)}")
    if wanted is not None and wanted not in known:
        raise Problem(f"Run {name_of(run)} has no agent {wanted}", did_you_mean(wanted, known, "its agents are"))
    return known[wanted] if wanted else next(iter(known.values()))


def standing(run: JsonObject, agent: str) -> JsonObject:
    """Return an agent's status, empty before the operator has processed the Run."""
    found: JsonObject = next((a for a in status_of(run).get("agents", ()) if a["name"] == agent), {})
    return found
