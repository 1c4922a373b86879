"""The status about asked questions is the same for every kind of observation, and no status repeats what all Runs share."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import EscalationPhase
from controller.api.operator_state import AgentState, OperatorState, Usage
from controller.api.phases import Health, Phase
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.cli.rw.reason_text import SENTENCES, sentence
from controller.kube.event_recorder import event_for
from controller.ledger.entry import entry_of
from controller.ledger.tables import row_of
from controller.plan import plan
from controller.plan.actions import CompleteRun
from controller.plan.model import AgentView, Plan, Verdict
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, PodFacts, RunFacts, Snapshot
from controller.status.status import build_status
from tests.unit.plan.stories import CASES, snapshot_of
from tests.unit.plan.stories import NOW as STORY_NOW

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunFacts("ns", "demo", "run-1", 1, None)
COMPLETE = Plan("terminal", Verdict(Phase.COMPLETED, Reason.ALL_AGENTS_COMPLETE), (AgentView("coder", Health.COMPLETE, "x"),))
ANSWERED = EscalationFacts("demo-coder-1", "e", "run-1", "coder", 0, EscalationPhase.RESOLVED)
REMEMBERED = OperatorState(run_uid="run-1", agents={"coder": AgentState(asked=("demo-coder-1",))})
TOLD = {
    "conditions": [
        {"type": "Escalated", "status": "True", "reason": "AwaitingResponse", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ]
}


@pytest.mark.parametrize(
    ("seen", "previous", "told"),
    [
        ({}, {}, None),
        ({"escalations": (ANSWERED,)}, {}, ("False", "NothingOpen")),
        ({"state": REMEMBERED}, {}, ("False", "NothingOpen")),
        ({}, TOLD, ("False", "NothingOpen")),
    ],
    ids=["never asked", "its escalation is seen", "the state remembers", "it was told before"],
)
def test_answered_escalation_does_not_change_the_condition(
    seen: dict[str, Any], previous: JsonObject, told: tuple[str, str] | None
) -> None:
    """A live observation skips an escalation that was answered long ago; the condition must not change because of that."""
    status = build_status(Snapshot(run=RUN, **seen), COMPLETE, (), previous, NOW)
    found = [(c["status"], c["reason"]) for c in status["conditions"] if c["type"] == "Escalated"]
    assert found == ([told] if told else [])


def test_the_shown_digest_is_that_of_the_first_plan() -> None:
    """The ledger has a pass's first plan; the status shows its digest beside the actions that were carried out."""
    first, acted = replace(COMPLETE, rule="finished"), [CompleteRun(reason=Reason.ALL_AGENTS_COMPLETE, phase=Phase.COMPLETED)]
    assert build_status(Snapshot(run=RUN), COMPLETE, acted, {}, NOW, first)["plan"]["digest"] == first.digest
    assert first.digest != COMPLETE.digest


@pytest.mark.parametrize(("admission", "said"), [(True, "requested by alice"), (False, "requested by alice (unchecked)")])
def test_the_requester_is_in_status_event_and_ledger(*, admission: bool, said: str) -> None:
    """Each says whose Run it is; status and Event also whether the API server has checked that."""
    spec = RunSpec(agents=(Agent(name="coder", image="x"),), requested_by="alice")
    snapshot = Snapshot(run=replace(RUN, spec=spec), admission=admission)
    status = build_status(snapshot, COMPLETE, (), {}, NOW)
    assert status["requestedBy"] == {"name": "alice", "checked": admission}
    event = event_for({"metadata": {"name": "demo", "namespace": "ns", "uid": "run-1"}, "status": status})
    assert event
    assert event["message"].endswith(said)
    row = row_of(entry_of(snapshot, COMPLETE, (), "", NOW))
    assert json.loads(row["snapshot"])["run"]["spec"]["requestedBy"] == "alice"
    assert json.loads(row["snapshot"]).get("admission", False) is admission


def status_of(path: Path) -> JsonObject:
    """Return the status of a golden story in which nothing was done."""
    snapshot = snapshot_of(path)
    return build_status(snapshot, plan(snapshot, STORY_NOW), (), {}, STORY_NOW)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_status_has_no_constant_sentences(path: Path) -> None:
    """A message has what is particular to the Run, and a reason without a message is explained elsewhere.

    A condition repeats the words of the phase only where it is False, for clients that show nothing else. Nothing is written empty.
    """
    status = status_of(path)
    for condition in status["conditions"]:
        assert condition.get("message") or sentence(condition["reason"]), condition
        assert condition.get("message") not in ("", *SENTENCES.values())
        assert condition["status"] == "False" or condition.get("message", "-") != status.get("message"), condition
        assert set(condition) <= {"type", "status", "reason", "message", "lastTransitionTime"}
    assert not [agent for agent in status["agents"] if agent.get("restarts") == 0 or "" in agent.values()]


HEALTHY_BYTES = 1200
"""Maximum size of the status of one healthy agent, without the operator's record: the API server's work grows with it."""


@pytest.mark.parametrize("reporting", [False, True])
def test_the_status_of_a_healthy_run_is_small(reporting: bool) -> None:
    """The status that most Runs have, as compact JSON."""
    pod = PodFacts("demo-coder-r0", "p", "coder", 0, "run-1", phase="Running", bound=True, ready=True, reporting=reporting)
    state = OperatorState(run_uid="run-1", started_at=NOW, agents={"coder": AgentState(pod_uid="p")})
    spec = RunSpec(agents=(Agent(name="coder", image="x"),))
    policy = ResolvedPolicy.of("default", RunPolicySpec())
    snapshot = Snapshot(replace(RUN, spec=spec), policy, state=state, pods=(pod,))
    decision = plan(snapshot, NOW)
    assert decision.verdict.phase == Phase.RUNNING
    status = build_status(snapshot, decision, (), {}, NOW)
    assert len(json.dumps(status, separators=(",", ":"))) < HEALTHY_BYTES
    assert [c["type"] for c in status["conditions"] if "message" in c] == []


@pytest.mark.parametrize("provider", [None, "claude"])
def test_only_the_agents_of_a_provider_show_what_they_used(provider: str | None) -> None:
    """The provider's budgets count it. The status of other Runs stays as it is, so that an upgrade writes none of them."""
    run = replace(RUN, spec=RunSpec(agents=(Agent(name="coder", image="x", provider=provider),)))
    state = OperatorState(run_uid="run-1", agents={"coder": AgentState(usage=Usage(input_tokens=5))})
    status = build_status(Snapshot(run=run, state=state), COMPLETE, (), {}, NOW)
    assert status["usage"]["inputTokens"] == 5
    assert ("usage" in status["agents"][0]) == (provider is not None)
