"""Questions asked without a policy in force: the plugin and the status say that nobody may answer yet, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import EscalationType
from controller.api.phases import Phase
from controller.api.policy import Responders
from controller.cli.rw.inbox_view import in_full, responders
from controller.cli.rw.next_steps import APPOINTED, changes
from controller.cli.rw.responses import check, how_to_answer
from controller.cli.rw.user_error import Problem
from controller.facts.pods import escalation_facts
from controller.plan.actions import CreateEscalation
from controller.plan.inquiries import Inquiry
from controller.plan.intents import Intent
from controller.plan.model import Plan, Verdict
from controller.plan.reasons import Reason
from controller.plan.snapshot import EscalationFacts, RunFacts, Snapshot
from controller.resources.escalation_builder import build_escalation
from controller.status.status import build_status
from tests.unit.rw.stories import escalation

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = RunFacts("ns", "demo", "run-1", 1, None)
WHO: JsonObject = {"users": ["rex"], "groups": [], "bridges": []}


def asked(responders: JsonObject | None, appointed: JsonObject | None = None) -> JsonObject:
    """Return a question with the responders of its spec and of its status."""
    found = escalation("q", "Question")
    found["spec"] = {**found["spec"], "responders": responders} if responders is not None else _without(found["spec"])
    return found | ({"status": {"responders": appointed}} if appointed is not None else {})


def _without(spec: JsonObject) -> JsonObject:
    return {key: value for key, value in spec.items() if key != "responders"}


@pytest.mark.parametrize(
    ("responders_", "appointed", "said"),
    [
        (None, None, "nobody yet"),
        ({}, None, "anybody"),
        (None, {}, "anybody"),
        (WHO, None, "rex"),
        (None, WHO, "rex"),
        ({"bridges": ["bot"]}, None, "bot (bridge)"),
    ],
)
def test_everybody_and_nobody_yet_are_two_values(responders_: JsonObject | None, appointed: JsonObject | None, said: str) -> None:
    """An empty value means everybody whom RBAC allows, an absent one means nobody yet; bridges alone do not mean everybody."""
    assert responders(asked(responders_, appointed)) == said
    found = asked(responders_, appointed)
    found["metadata"]["uid"] = "e"
    assert escalation_facts(found).answerable is (said != "nobody yet")


def test_nobody_is_told_to_answer_it() -> None:
    """The inbox and `rw answer` explain why nobody may answer, and no command is suggested that would be refused."""
    found = asked(None)
    assert "nobody yet: no RunPolicy is in force" in in_full(found, (), NOW, None).plain
    assert how_to_answer(found) == []
    with pytest.raises(Problem, match="nobody may answer escalation q yet"):
        check(found, "Answer")
    run = {"metadata": {"name": "r"}, "spec": {"agents": []}, "status": {"phase": "AwaitingGuidance", "reason": "AwaitingGuidance"}}
    assert changes(run, (found,))[0].effect == APPOINTED


@pytest.mark.parametrize(("given", "written"), [(None, None), (Responders(), {"users": [], "groups": [], "bridges": []})])
def test_no_policy_is_written_as_nobody(given: Responders | None, written: JsonObject | None) -> None:
    """An escalation without a policy has no responders field; one of a policy that names nobody has empty lists."""
    inquiry = Inquiry("q", "s", "t", None, EscalationType.QUESTION)
    action = CreateEscalation(
        intent=Intent.ESCALATE_GUIDANCE, reason=Reason.QUESTION_ASKED, agent="coder", attempt=0, inquiry=inquiry
    )
    assert build_escalation(RUN, action, given)["spec"].get("responders") == written


def test_the_condition_tells_them_apart() -> None:
    """Escalated reports the questions that can be answered, and those that wait for a policy."""
    facts = [EscalationFacts(name, name, "run-1", "coder", 0, answerable=name == "a") for name in ("a", "b")]
    verdict = Verdict(Phase.RUNNING, Reason.SUPERVISING)
    status = build_status(Snapshot(RUN, escalations=tuple(facts)), Plan("supervised", verdict), (), {}, NOW)
    (message,) = [c["message"] for c in status["conditions"] if c["type"] == "Escalated"]
    assert message == "answer escalation a; nobody may answer escalation b before a policy is in force"
