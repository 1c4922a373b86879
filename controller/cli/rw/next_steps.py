"""Pure: what would change how a Run stands, as commands of the plugin or as what is to be mended."""

from __future__ import annotations

from typing import NamedTuple

from controller.cli.rw.objects import TERMINAL, JsonObject, name_of, oldest_first, phase_of, responders_of, status_of
from controller.cli.rw.responses import how_to_answer


class Change(NamedTuple):
    """A command (the words after `kubectl rw`, none where it takes something else) and what comes of it."""

    words: tuple[str, ...]
    effect: str


EFFECTS = {
    "retry": "one more attempt, not charged",
    "wait": "go on waiting; the time until it fails begins anew",
    "fail": "the Run fails",
    "approve": "what is proposed is done, after it is checked again",
    "deny": "what is proposed is not done",
    "answer": "the agent reads the answer and goes on",
}

REMEDIES = {
    "SpecRefused": "mend what the message names; agents is immutable, so delete the Run and apply it anew",
    "StateRefused": "do what the message says: nothing is done for this Run until its record can be trusted",
    "PolicyNotFound": "create the RunPolicy that the message names; it is noticed at once",
    "PolicyRefused": "mend the RunPolicy at the path that the message names; it is noticed at once",
    "NotStarting": "mend what the kubelet or the scheduler waits for; the agent then starts by itself",
    "PodRefused": "mend what the API server names: quota, admission; the pod is tried again every few seconds",
    "BeyondPolicy": "raise the limit in the RunPolicy, or create a Run that asks for less; agents is immutable",
    "NameTaken": "remove the object that is in the way; the agent then starts by itself",
    "MaxActiveRuns": "another Run of the policy ends, or its maxActiveRuns is raised",
    "Queued": "whoever holds the pod by its scheduling gate lets it go",
    "DryRun": "set dryRun: false in the policy; then what is shown is done",
}
"""What is to be mended outside of the plugin, by the reason that holds a Run back."""


APPOINTED = "create the RunPolicy that the Run names, or mend it: it says who may answer, and nobody may before"
"""What is to be mended where nobody may answer yet."""

UNWELL = frozenset({"Dead", "Unready", "ActivityStalled", "ProgressStalled", "PendingStalled"})
"""Healths that a restart may mend."""

UNSTEERED = frozenset({"SpecRefused", "StateRefused"})
"""Reasons under which the operator does not even pause or stop."""


def changes(run: JsonObject, escalations: tuple[JsonObject, ...]) -> list[Change]:
    """Return what would change how the Run stands, the most fitting first."""
    name, phase = name_of(run), phase_of(run)
    if phase in TERMINAL:
        return [Change((), "nothing: it has finished"), Change(("rerun", name), "a new Run does the same work")]
    reason = status_of(run).get("reason", "")
    if run["spec"].get("desiredState") == "Stopped" and reason not in UNSTEERED:
        return [Change((), "nothing: it is being stopped, which is final")]
    found = [Change(words, EFFECTS[words[0]]) for e in oldest_first(escalations) for words in how_to_answer(e)]
    found += [Change((), APPOINTED)] if any(responders_of(e) is None for e in oldest_first(escalations)) else []
    found += [Change((), REMEDIES[reason])] if reason in REMEDIES else []
    return found if reason in UNSTEERED else [*found, *_steering(run, name)]


def _steering(run: JsonObject, name: str) -> list[Change]:
    """What the user may do to a Run that has not finished, whatever its state."""
    if run["spec"].get("desiredState") == "Paused":
        return [Change(("resume", name), "unfinished agents start anew, uncharged"), _stop(name)]
    agents = status_of(run).get("agents", ())
    unwell = [agent["name"] for agent in agents if agent.get("health") in UNWELL]
    restarts = [Change(("restart", name, agent), f"{agent} gets a new attempt at once, uncharged") for agent in unwell]
    pause = Change(("pause", name), "its agents end, workspaces are kept, clocks stand still")
    return [*restarts, pause, _stop(name)]


def _stop(name: str) -> Change:
    return Change(("stop", name), "the Run ends, for good")
