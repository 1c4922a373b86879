"""Pure: the actions on a Run that a page offers, and what each will do."""

from __future__ import annotations

from dataclasses import dataclass

from controller.cli.rw.next_steps import UNSTEERED
from controller.cli.rw.objects import TERMINAL, JsonObject, name_of, phase_of, status_of

DESIRED = {"pause": "Paused", "resume": "Running", "stop": "Stopped"}
"""The desiredState that an action sets."""


@dataclass(frozen=True, slots=True)
class Action:
    """An action, with its effects for the confirmation. `agents` are those that can be chosen for a restart."""

    verb: str
    label: str
    effects: tuple[str, ...]
    final: bool = False
    agents: tuple[str, ...] = ()


def actions_of(run: JsonObject) -> list[Action]:
    """Return the actions that a Run accepts now."""
    wanted, rerun = run["spec"].get("desiredState", "Running"), _rerun(run)
    if phase_of(run) in TERMINAL or wanted == "Stopped":
        return [rerun]
    if status_of(run).get("reason") in UNSTEERED:
        return []
    if wanted == "Paused":
        return [_resume(run), _stop(run), rerun]
    restart = [_restart(run)] if phase_of(run) != "Halted" and unfinished(run) else []
    return [_pause(run), *restart, _stop(run), rerun]


def find(run: JsonObject, verb: str) -> Action | None:
    """Return an action of this name, if the Run accepts it now."""
    return next((action for action in actions_of(run) if action.verb == verb), None)


def unfinished(run: JsonObject) -> tuple[str, ...]:
    """Return the agents that have not completed."""
    done = {agent["name"] for agent in status_of(run).get("agents", ()) if agent.get("health") == "Complete"}
    return tuple(agent["name"] for agent in run["spec"]["agents"] if agent["name"] not in done)


def _pause(run: JsonObject) -> Action:
    effects = (
        f"{_its_agents(run)} ended gracefully. What is not written to a kept workspace is lost.",
        "Kept workspaces stay. Deadlines are suspended.",
        "Nothing is charged. Resume starts new attempts.",
    )
    return Action("pause", "Pause", effects)


def _resume(run: JsonObject) -> Action:
    names = _listed(unfinished(run))
    return Action("resume", "Resume", (f"New attempts start for {names}, uncharged.", "Deadlines continue."))


def _restart(run: JsonObject) -> Action:
    effects = (
        "The current attempt of each chosen agent is ended gracefully, and a new one starts at once, without a cooldown.",
        "It is not charged to the restart budget. A kept workspace stays.",
    )
    return Action("restart", "Restart", effects, agents=unfinished(run))


def _stop(run: JsonObject) -> Action:
    effects = (
        f"{_its_agents(run)} ended gracefully. This is final: a stopped Run cannot be started again.",
        "Its logs and outcomes stay until it is deleted. Rerun starts a new Run with the same work.",
    )
    return Action("stop", "Stop", effects, final=True)


def _rerun(run: JsonObject) -> Action:
    effects = (
        f"A new Run does the same work as {name_of(run)}, with the same spec, and you as its requester.",
        "This Run is not changed.",
    )
    return Action("rerun", "Run again", effects)


def _its_agents(run: JsonObject) -> str:
    names = unfinished(run)
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'}" if names else "No agent is"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no agent"


def to_halt(what: str) -> Action:
    """Return the halt of a namespace or of the cluster."""
    effects = (
        f"All agents of {what} are ended gracefully, and none starts until the halt is lifted.",
        "Kept workspaces stay. Deadlines are suspended, and nothing is charged.",
        "Everybody whose Runs do not continue sees your name and the reason.",
    )
    return Action("halt", f"Halt {what}", effects, final=True)


def lifted(what: str) -> Action:
    """Return the end of a halt."""
    effects = (
        f"The agents of {what} start again, uncharged, some of them each second.",
        "Paused Runs stay paused, and so do Runs that another halt holds.",
    )
    return Action("lift", f"Lift the halt of {what}", effects)
