"""An advisor in the sidecar, agents on real kubelets, humans that approve and deny: all stories are applied at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.kind.installed import OFTEN, PATIENT, Installed
from tests.kind.sidecar import SidecarAdvisor
from tests.kind.stage import LONG, Stage
from tests.plugin import Plugin
from tests.scripted_advisor import AGREES
from tests.support import apply, await_that, condition, policy_of, run_of, shell, status

QUICK: JsonObject = {"confirmationIntervalSeconds": 1, "restartCooldownSeconds": 1}
POLICIES: dict[str, JsonObject] = {
    "default": {**QUICK, "llm": {"mode": "Assist"}},
    "auto": {**QUICK, "llm": {"mode": "Auto"}},
    "off": {**QUICK, "llm": {"mode": "Off"}},
    "dry": {**QUICK, "llm": {"mode": "Auto"}, "dryRun": True},
    "unlisted": {**QUICK, "llm": {"mode": "Assist", "requireApproval": []}},
    "asking": {**QUICK, "llm": {"mode": "Auto", "onFailure": "Escalate", "command": "broken"}},
    "nologin": {**QUICK, "llm": {"mode": "Auto", "command": "nologin"}},
    "spent": {**QUICK, "restartBudget": 0, "llm": {"mode": "Auto"}},
}
CRASHES_ONCE = shell('echo "password: hunter2-hunter2"; echo "registry timed out" >&2; [ "$RUNWATCHMAN_ATTEMPT" != 0 ]')
CRASHES = shell("exit 1")
ASKS = shell('rw ask --wait 600 "Ship it?" yes no && rw done')

STORIES: dict[str, tuple[JsonObject, str]] = {
    "approved": (CRASHES_ONCE, "default"),
    "denied": (CRASHES_ONCE, "default"),
    "agreed": (CRASHES_ONCE, "auto"),
    "against": (CRASHES_ONCE, "auto"),
    "abstained": (CRASHES_ONCE, "auto"),
    "forged": (CRASHES_ONCE, "auto"),
    "unauthorized": (CRASHES_ONCE, "nologin"),
    "unavailable": (CRASHES_ONCE, "asking"),
    "unlisted": (CRASHES_ONCE, "unlisted"),
    "off": (CRASHES_ONCE, "off"),
    "question": (ASKS, "default"),
    "spent": (CRASHES, "spent"),
}
ANSWERS: dict[str, JsonObject] = {
    "against": {**AGREES, "intent": "escalate_blocked", "diagnosis": "the registry's certificate has expired"},
    "abstained": {"exit": 4},
    "forged": {**AGREES, "target_run": "default/somebody-else"},
    "unauthorized": {"exit": 3},
    "unavailable": {"exit": 1},
    "unlisted": {**AGREES, "intent": "noop"},
    "question": {**AGREES, "intent": "escalate_guidance", "suggested_answer": "yes"},
    "spent": {**AGREES, "intent": "escalate_blocked", "diagnosis": "the image lacks git"},
}


@dataclass(frozen=True)
class AdvisedStage(Stage):
    """A stage whose operator has an advisor."""

    advisor: SidecarAdvisor

    def rw(self, *args: str) -> str:
        """Run a command of the plugin."""
        return Plugin(self.cluster, self.namespace).ok(*args)


@pytest.fixture(scope="module")
def advisor(release: Installed) -> SidecarAdvisor:
    """The operator's advisor, with an answer for each story."""
    advisor = SidecarAdvisor(release)
    advisor.run_with(PATIENT, OFTEN, commands=("codex", "broken", "nologin"))
    advisor.say(ANSWERS)
    return advisor


@pytest.fixture(scope="module")
def stage(kind_cluster: Cluster, advisor: SidecarAdvisor) -> Iterator[AdvisedStage]:
    """Every story's Run, and the operator with its advisor."""
    namespace = f"advisor-{os.getpid()}"
    kind_cluster.kubectl("create", "namespace", namespace)
    runs = [run_of(name, {"name": "coder", **agent}, policyRef={"name": policy}) for name, (agent, policy) in STORIES.items()]
    apply(kind_cluster, namespace, *(policy_of(spec, name) for name, spec in POLICIES.items()), *runs)
    yield AdvisedStage(kind_cluster, namespace, advisor)
    kind_cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_approved(stage: AdvisedStage) -> None:
    """Assist: the human reads rule, evidence, advice and consequences, approves, and the agent is restarted."""
    stage.phase("approved", "AwaitingApproval")
    (found,) = stage.asked("approved")
    spec = found["spec"]
    assert spec["proposal"]["action"] == "auto_restart"
    assert spec["suggestion"] == {"text": "auto_restart (90 % sure): the log shows a flaky network", "advisor": "codex"}
    assert all(word in spec["text"] for word in ("Cause:", "NonZeroExit", "Approve", "Deny", "Without an answer"))
    assert condition(status(stage.cluster, stage.namespace, "approved"), "Advised") == ("True", "Accepted")
    assert "says auto_restart (90 % sure)" in stage.rw("explain", "approved")
    stage.rw("approve", found["metadata"]["name"])
    done = stage.phase("approved", "Completed")
    assert done["restarts"] == 1


def test_denied(stage: AdvisedStage) -> None:
    """After a denial the agent stays as it is, through a restart of the operator, and no human is asked again."""
    (found,) = stage.asked("denied")
    stage.rw("deny", found["metadata"]["name"])
    await_that(lambda: status(stage.cluster, stage.namespace, "denied").get("reason") == "Denied", "Denied", LONG)
    stage.advisor.release.stop()
    stage.advisor.release.start()
    stage.phase("agreed", "Completed")
    now = status(stage.cluster, stage.namespace, "denied")
    assert (now["reason"], now["restarts"], now["openEscalations"]) == ("Denied", 0, 0)
    assert len(stage.advisor.asked("denied")) == 1


def test_agreed(stage: AdvisedStage) -> None:
    """Auto: an agreeing advisor is consulted once, and no human is asked."""
    done = stage.phase("agreed", "Completed")
    assert done["restarts"] == 1
    assert condition(done, "Advised") == ("True", "Accepted")
    assert len(stage.advisor.asked("agreed")) == 1
    assert stage.escalations("agreed") == []


def test_what_it_is_shown(stage: AdvisedStage) -> None:
    """The request has the end of the agent's log without its secrets, the action of the rules, and the allowed answers."""
    stage.phase("agreed", "Completed")
    (document,) = stage.advisor.asked("agreed")
    assert document["rules_want"]["intent"] == "auto_restart"
    assert set(document["allowed_intents"]) == {"auto_restart", "escalate_blocked", "escalate_guidance", "noop"}
    said = " ".join(document["untrusted"].values())
    assert "registry timed out" in said
    assert "hunter2" not in str(document)


def test_against(stage: AdvisedStage) -> None:
    """Auto: an advisor that disagrees leaves the decision to a human."""
    stage.phase("against", "AwaitingApproval")
    assert "Diagnosis: the registry's certificate has expired" in stage.asked("against")[0]["spec"]["suggestion"]["text"]


def test_abstained(stage: AdvisedStage) -> None:
    """Auto: an advisor that abstains leaves the decision to a human."""
    (found,) = stage.asked("abstained")
    assert "suggestion" not in found["spec"]
    assert condition(status(stage.cluster, stage.namespace, "abstained"), "Advised") == ("False", "Abstained")


def test_forged(stage: AdvisedStage) -> None:
    """The gate rejects an answer about another Run, with the reason. It does not count as agreement: a human decides."""
    waiting = stage.phase("forged", "AwaitingApproval")
    assert (waiting["restarts"], condition(waiting, "Advised")) == (0, ("False", "OtherTarget"))
    assert "gave an answer that was refused: OtherTarget" in stage.rw("explain", "forged")
    stage.rw("approve", stage.asked("forged")[0]["metadata"]["name"])
    assert stage.phase("forged", "Completed")["restarts"] == 1


def test_unlisted(stage: AdvisedStage) -> None:
    """Assist: an action that needs no approval happens for any advice; the advice is recorded."""
    done = stage.phase("unlisted", "Completed")
    assert (done["restarts"], done["agents"][0]["advice"]["intent"]) == (1, "noop")


def test_off(stage: AdvisedStage) -> None:
    """Off: the advisor is not consulted."""
    done = stage.phase("off", "Completed")
    assert (done["restarts"], condition(done, "Advised")) == (1, ("False", "Off"))
    assert stage.advisor.asked("off") == []


def test_question(stage: AdvisedStage) -> None:
    """A human takes the suggested answer, and it reaches the agent."""
    (found,) = stage.asked("question")
    assert found["spec"]["suggestion"]["text"] == "yes"
    stage.rw("answer", found["metadata"]["name"], "--accept-suggestion")
    stage.phase("question", "Completed")


def test_spent(stage: AdvisedStage) -> None:
    """A blocked Run's escalation has the diagnosis."""
    assert "the image lacks git" in stage.asked("spent")[0]["spec"]["suggestion"]["text"]


def test_without_its_advisor(stage: AdvisedStage) -> None:
    """An adapter without a login cannot advise: by onFailure the rules continue, or a human is asked."""
    done = stage.phase("unauthorized", "Completed")
    assert (done["restarts"], condition(done, "Advised")) == (1, ("False", "AuthFailed"))
    stage.phase("unavailable", "AwaitingApproval")
