"""Pure: the steps that would change a Run's status: commands of the plugin, or fixes elsewhere."""

from __future__ import annotations

from typing import NamedTuple

from controller.cli.rw.halt_text import lift_words
from controller.cli.rw.objects import TERMINAL, JsonObject, name_of, oldest_first, phase_of, responders_of, status_of
from controller.cli.rw.responses import how_to_answer


class Change(NamedTuple):
    """A command (the words after `kubectl rw`; empty for a fix elsewhere) and its effect."""

    words: tuple[str, ...]
    effect: str


EFFECTS = {
    "retry": "one more attempt, not charged",
    "wait": "wait longer; the time until it fails starts again",
    "fail": "the Run fails",
    "approve": "the proposal is carried out, after it is checked again",
    "deny": "the proposal is not carried out",
    "answer": "the agent reads the answer and continues",
}

OF_BUDGETS = {
    "approve": "the budget gets more until its window ends",
    "deny": "no agent that the budget counts starts until its window ends",
}
"""Effects of the answers about a provider's budget."""

OF_TASKS = frozenset({"VerificationUnavailable", "PublishUnavailable", "PublishRefused", "PublishCommandFailed"})
"""Reasons of an agent whose work is done, and could not be verified or published: Retry tries that again."""

REMEDIES = {
    "SpecRefused": "fix the field that the message names; agents is immutable, so delete the Run and apply it again",
    "StateRefused": "follow the message: nothing is done for this Run until its record can be trusted",
    "PolicyNotFound": "create the RunPolicy that the message names; it is noticed at once",
    "PolicyRefused": "fix the RunPolicy at the path that the message names; it is noticed at once",
    "NotStarting": "provide what the kubelet or the scheduler waits for; the agent then starts by itself",
    "PodRefused": "fix the cause that the API server names, such as quota or admission; the pod is retried every half minute",
    **dict.fromkeys(("StartRefused", "EndRefused"), "change the policy that the message names; the write is tried again by itself"),
    "BeyondPolicy": "raise the limit in the RunPolicy, or create a Run that asks for less; agents is immutable",
    "NameTaken": "delete the object that has the name; the agent then starts by itself",
    "MaxActiveRuns": "wait until another Run of the policy ends, or raise its maxActiveRuns",
    "Queued": "the owner of the pod's scheduling gate must remove it",
    "DryRun": "set dryRun: false in the policy; then the shown actions are carried out",
}
"""Fixes outside of the plugin, by the reason that holds a Run back."""


APPOINTED = "create or fix the RunPolicy that the Run names: it defines who may answer, and until then nobody may"
"""The fix if nobody may answer yet."""

UNWELL = frozenset({"Dead", "Unready", "ActivityStalled", "ProgressStalled", "PendingStalled"})
"""Healths that a restart may improve."""

UNSTEERED = frozenset({"SpecRefused", "StateRefused"})
"""Reasons under which the operator does not even pause or stop a Run."""


def changes(run: JsonObject, escalations: tuple[JsonObject, ...]) -> list[Change]:
    """Return the steps that would change a Run's status, the most relevant first."""
    name, phase = name_of(run), phase_of(run)
    if phase in TERMINAL:
        return [Change((), "nothing: it has finished"), Change(("rerun", name), "a new Run does the same work")]
    reason = status_of(run).get("reason", "")
    if run["spec"].get("desiredState") == "Stopped" and reason not in UNSTEERED:
        return [Change((), "nothing: it is being stopped, which is final")]
    found = [Change(words, effect(words[0], run, e)) for e in oldest_first(escalations) for words in how_to_answer(e)]
    found += [Change((), APPOINTED)] if any(responders_of(e) is None for e in oldest_first(escalations)) else []
    found += [Change((), REMEDIES[reason])] if reason in REMEDIES else []
    return found if reason in UNSTEERED else [*found, *_steering(run, name)]


def effect(answer: str, run: JsonObject | None, escalation: JsonObject) -> str:
    """Return the effect of an answer to an escalation; its Run is None if it was not read."""
    if escalation["spec"]["type"] == "Budget":
        return OF_BUDGETS[answer]
    name = escalation["spec"].get("agent")
    agents = status_of(run).get("agents", ()) if run else ()
    reason = next((agent.get("reason") for agent in agents if agent["name"] == name), None)
    return (
        "it is tried again, without another attempt of the agent" if answer == "retry" and reason in OF_TASKS else EFFECTS[answer]
    )


def _steering(run: JsonObject, name: str) -> list[Change]:
    """Return the commands for a Run that has not finished."""
    if lifting := lift_words(run):
        return [Change(lifting, "all halted agents start again, uncharged"), _stop(name)]
    if run["spec"].get("desiredState") == "Paused":
        return [Change(("resume", name), "unfinished agents get new attempts, uncharged"), _stop(name)]
    agents = status_of(run).get("agents", ())
    unwell = [agent["name"] for agent in agents if agent.get("health") in UNWELL]
    restarts = [Change(("restart", name, agent), f"{agent} gets a new attempt at once, uncharged") for agent in unwell]
    pause = Change(("pause", name), "its agents end, workspaces are kept, deadlines are suspended")
    return [*restarts, pause, _stop(name)]


def _stop(name: str) -> Change:
    return Change(("stop", name), "the Run ends permanently")
