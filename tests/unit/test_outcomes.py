"""The ends of attempts, from pods of real kubelets: data/kubelet has each one as it was read, and its classification."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from controller.api.base import dump, parse
from controller.api.operator_state import OutcomeResult, ResultStatus
from controller.api.policy import OutcomeAction, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.facts.pods import pod_facts
from controller.plan.context import PlanContext
from controller.plan.outcomes import action_for, classify
from controller.plan.snapshot import PodFacts, QuestionFacts, ReportFacts, RunFacts, Snapshot, Termination

CASES = sorted((Path(__file__).parent / "data/kubelet").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_outcome(path: Path) -> None:
    """The end of a pod by a kubelet gets the class in the file, and leads to the action in the file."""
    case = yaml.safe_load(path.read_text())
    outcome = classify(pod_facts(case["pod"]), 0, None, ending=case.get("ending", False))
    found = dump(outcome)
    assert {key: found.get(key) for key in case["outcome"]} == case["outcome"]
    assert action_for(outcome, None) == case["action"]


def test_every_default_action_is_among_them() -> None:
    """Complete, Retry, RetryFree and Escalate all follow from real ends; Fail follows only from a policy."""
    actions = {yaml.safe_load(path.read_text())["action"] for path in CASES}
    assert actions == {action.value for action in OutcomeAction} - {"Fail"}


@pytest.mark.parametrize(
    ("rules", "action"),
    [
        ([{"exitCodes": [1], "action": "Fail"}], "Fail"),
        ([{"reasons": ["NonZeroExit"], "action": "RetryFree"}], "RetryFree"),
        ([{"reasons": ["Error"], "action": "RetryFree"}], "RetryFree"),
        ([{"messageContains": "boom", "action": "Escalate"}], "Escalate"),
        ([{"messageContains": "bang", "action": "Escalate"}], "Retry"),
        ([{"exitCodes": [1], "reasons": ["OOMKilled"], "action": "Fail"}], "Retry"),
        ([{"exitCodes": [2], "action": "Fail"}, {"exitCodes": [1], "action": "Complete"}], "Complete"),
        ([{"exitCodes": [1], "action": "Complete"}, {"exitCodes": [1], "action": "Fail"}], "Complete"),
    ],
)
def test_the_policys_first_matching_rule_comes_before_the_defaults(rules: list[object], action: str) -> None:
    """Every matcher that a rule sets must match; reasons are ours or the kubelet's."""
    policy = parse(RunPolicySpec, {"outcomes": rules})
    pod = yaml.safe_load((Path(__file__).parent / "data/kubelet/exit-1.yaml").read_text())["pod"]
    outcome = classify(pod_facts(pod), 0, policy, ending=False)
    assert action_for(outcome, policy) == action
    assert (outcome.result == "Completed") == (action == "Complete")


def test_a_deadline_without_its_exit_code_is_no_end_yet() -> None:
    """A kubelet may report Failed before the agent's exit code: work that was finished in time still counts as finished."""
    pod = yaml.safe_load((Path(__file__).parent / "data/deadline-unsaid.yaml").read_text())
    assert not pod_facts(pod).terminated
    container = pod["status"]["containerStatuses"][0]
    container["state"] = {"terminated": {"exitCode": 0, "finishedAt": "2026-11-25T08:42:39Z"}}
    assert pod_facts(pod).terminated
    assert classify(pod_facts(pod), 0, None, ending=True).result == "Completed"


def test_others_than_a_kubelet_at_a_deadline_are_believed() -> None:
    """A pod on a lost node, which the cluster has given up, has a running container for ever; it counts as terminated."""
    pod = yaml.safe_load((Path(__file__).parent / "data/deadline-unsaid.yaml").read_text())
    del pod["status"]["reason"]
    assert pod_facts(pod).terminated


@pytest.mark.parametrize(
    ("delivered", "result", "action"),
    [((), "Parked", OutcomeAction.RETRY_FREE), (("q1",), "Failed", OutcomeAction.RETRY_FREE)],
)
def test_parked_agent_is_not_charged_if_the_answer_came_meanwhile(
    delivered: tuple[str, ...], result: str, action: OutcomeAction
) -> None:
    """If an answer arrives while the agent is parking, it has nothing to wait for; it is restarted for free."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    pod = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", phase="Failed", bound=True, termination=Termination(76))
    report = ReportFacts(
        "coder", "run-1", 0, "c0", 9, now, 60, now, questions=(QuestionFacts("q1", "Ship it?"),), delivered=delivered, parked=True
    )
    outcome = classify(pod, 0, None, report, ending=False)
    assert (outcome.result, outcome.reason, action_for(outcome, None)) == (result, "Parked", action)


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (None, OutcomeResult.FAILED),
        (RunPolicySpec(), OutcomeResult.COMPLETED),
        (RunPolicySpec(require_result=True), OutcomeResult.FAILED),
    ],
)
def test_an_exit_code_completes_nothing_under_no_policy(policy: RunPolicySpec | None, result: OutcomeResult) -> None:
    """Under a missing policy the defaults decide nothing, because the policy might differ; the agent's own result still counts."""
    pod = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", phase="Succeeded", termination=Termination(0))
    resolved = ResolvedPolicy.of("strict", policy) if policy else None
    at = PlanContext(Snapshot(RunFacts("ns", "demo", "run-1", 1, None), policy=resolved), datetime(2026, 1, 1, tzinfo=UTC))
    assert at.ended(pod, 0, None, ending=False).result is result
    now = at.now
    said = ReportFacts("coder", "run-1", 0, "c0", 1, now, 60, now, result=ResultStatus(outcome="Completed"))
    assert at.ended(pod, 0, said, ending=False).result is OutcomeResult.COMPLETED


@pytest.mark.parametrize(("asked", "known"), [(("q1",), ("q1",)), ((), ()), ((), ("q1",))])
@pytest.mark.parametrize("exit_code", [0, 76])
def test_parking_for_nothing_new_is_a_failure(asked: tuple[str, ...], known: tuple[str, ...], exit_code: int) -> None:
    """Parking without a question, or with one that was settled before the attempt, is a charged failure."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    pod = PodFacts("demo-coder-r1", "c1", "coder", 1, "run-1", phase="Failed", bound=True, termination=Termination(exit_code))
    questions = tuple(QuestionFacts(name, "Ship it?") for name in asked)
    report = ReportFacts("coder", "run-1", 1, "c1", 9, now, 60, now, questions=questions, parked=True)
    outcome = classify(pod, 1, None, report, ending=False, settled=known)
    found = (outcome.result, outcome.reason, action_for(outcome, None))
    assert found == ("Failed", "ParkedWithoutQuestion", OutcomeAction.RETRY)


def test_one_new_question_is_enough_to_park_for() -> None:
    """One new question is enough to wait, even with another that was settled before."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    questions = (QuestionFacts("q1", "Ship it?"), QuestionFacts("q2", "When?"))
    report = ReportFacts("coder", "run-1", 1, "c1", 9, now, 60, now, questions=questions, parked=True)
    assert classify(None, 1, None, report, ending=False, settled=("q1",)).result == "Parked"
