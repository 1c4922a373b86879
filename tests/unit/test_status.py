"""The status about asked questions is the same for every kind of observation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import EscalationPhase
from controller.api.run_status import AgentState, Health, OperatorState, Phase
from controller.plan.actions import CompleteRun
from controller.plan.model import AgentView, Plan, Verdict
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, RunFacts, Snapshot
from controller.status.status import build_status

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
