"""Runs that work while their operator is disturbed, and the evidence that would show an effect on them."""

from __future__ import annotations

from controller.api.base import JsonObject
from tests.kind.conftest import TEAM
from tests.kind.stage import LONG, Stage
from tests.support import apply, await_that, pods_of, policy_of, run_of, shell, status

AT_WORK = 'rw ask --wait 600 "First?" yes; rw ask --wait 600 "Second?" yes; rw done "shipped"'
CRASHES = f"[ $RUNWATCHMAN_ATTEMPT -gt 0 ] || exit 1; {AT_WORK}"
CRASHES_ON_ANSWER = '[ $RUNWATCHMAN_ATTEMPT -gt 0 ] || exit 1; rw ask --wait 600 "First?" yes; exit 1'
RESTARTS = {"steady": 0, "crashed": 1, "spent": 1}
"""The Runs that work all the while, with the restarts that they were charged before."""


def begin(stage: Stage, prefix: str) -> None:
    """Start a Run of each kind, and wait until each waits for its first answer with its restarts charged."""
    apply(stage.cluster, TEAM, policy_of({"restartBudget": 1, "restartCooldownSeconds": 0}, "one"))
    scripts = {"steady": AT_WORK, "crashed": CRASHES, "spent": CRASHES_ON_ANSWER}
    runs = [run_of(f"{prefix}-{name}", shell(script), policyRef={"name": "one"}) for name, script in scripts.items()]
    apply(stage.cluster, TEAM, *runs)
    for name in scripts:
        stage.phase(f"{prefix}-{name}", "AwaitingGuidance")
    await_that(lambda: running(stage, prefix) == len(scripts), "the kubelet's word that each agent runs", LONG)


def running(stage: Stage, prefix: str) -> int:
    """Return the number of running agents by the kubelet's status, which may be later than the agent's own."""
    states = [c["state"] for pod in pods_of(stage.cluster, TEAM, prefix).values() for c in pod["status"]["containerStatuses"]]
    return sum("running" in state for state in states)


def evidence(stage: Stage, prefix: str) -> JsonObject:
    """Return the data that a disturbed agent or a charged restart would change: pods, their containers, and the Runs' charges."""
    pods = {
        name: (pod["metadata"]["uid"], [(c["restartCount"], c["state"]) for c in pod["status"]["containerStatuses"]])
        for name, pod in pods_of(stage.cluster, TEAM, prefix).items()
    }
    states = {run: status(stage.cluster, TEAM, f"{prefix}-{run}") for run in RESTARTS}
    charged = {run: (found["phase"], found["restarts"], found["agents"][0]["attempt"]) for run, found in states.items()}
    return {"pods": pods, "charged": charged}


def answer_next(stage: Stage, run: str) -> None:
    """Answer the open question of a Run."""
    stage.answer(stage.asked(run)[0], "yes")


def finish(stage: Stage, prefix: str, uncharged: int = 0) -> None:
    """Let every Run continue: two complete with their charges, one crashes with a spent budget."""
    for run, charged in RESTARTS.items():
        end = "Blocked" if run == "spent" else "Completed"
        found = answer_until(stage, f"{prefix}-{run}", end)
        assert (found["restarts"], found["agents"][0]["attempt"]) == (charged, charged + uncharged)
    assert found["reason"] == "RestartBudgetSpent"


def answer_until(stage: Stage, run: str, phase: str) -> JsonObject:
    """Answer each question of a Run, once, until it is in a phase, and return its status."""
    answered: set[str] = set()

    def there() -> JsonObject | None:
        for each in stage.escalations(run):
            if each["spec"]["type"] == "Question" and each["metadata"]["name"] not in answered and is_open(each):
                answered.add(each["metadata"]["name"])
                stage.answer(each, "yes")
        found = status(stage.cluster, TEAM, run)
        return found if found["phase"] == phase else None

    found: JsonObject = await_that(there, f"{run} {phase}", LONG)
    return found


def is_open(escalation: JsonObject) -> bool:
    """Whether an escalation waits for an answer."""
    return bool(escalation.get("status", {}).get("phase") == "Open")


def record(stage: Stage, run: str) -> JsonObject:
    """Return the operator's record of a Run."""
    found: JsonObject = status(stage.cluster, TEAM, run)["operatorState"]
    return found


def asks_again(stage: Stage, run: str, attempt: int) -> bool:
    """Whether an attempt of a Run waits for an answer."""
    found = status(stage.cluster, TEAM, run)
    return (found["phase"], found["agents"][0]["attempt"]) == ("AwaitingGuidance", attempt)
