"""A secret that an agent printed or reported does not appear anywhere that the operator writes an agent's text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.base import JsonObject, dump
from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.redaction import REDACTED
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.facts.pods import pod_facts
from controller.facts.reports import report_facts
from controller.kube.event_recorder import event_for
from controller.ledger.entry import entry_of
from controller.ledger.tables import row_of
from controller.notify.message import finished, opened
from controller.plan import Plan, Snapshot, plan
from controller.plan.actions import CreateEscalation, Transition
from controller.plan.snapshot import RunFacts
from controller.plan.transitions import apply
from controller.resources.escalation_builder import build_escalation
from controller.status.status import build_status
from tests.builders import OWNERS, a_pod, a_report
from tests.secrets import SECRETS, marrow

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STAMP = "2026-01-01T11:59:30Z"


def pod(said: str, *, ended: bool, code: int = 1) -> JsonObject:
    """Return the agent's pod as a kubelet reports it: running and waiting, or ended with these last words."""
    labels = {LABEL_AGENT: "coder", LABEL_ATTEMPT: "0"}
    state: JsonObject = (
        {"terminated": {"exitCode": code, "message": said}} if ended else {"waiting": {"reason": "X", "message": said}}
    )
    phase = ("Failed" if code else "Succeeded") if ended else "Pending"
    status = {"phase": phase, "message": said, "containerStatuses": [{"name": "agent", "state": state}]}
    return a_pod(status=status, labels=labels, ownerReferences=OWNERS)


def report(**said: Any) -> JsonObject:
    """Return the agent's report."""
    status = {"attempt": 0, "podUID": "c0", "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 0} | said
    return a_report(status, at=STAMP)


def stories(said: str) -> Iterator[Snapshot]:
    """Yield the observations of an agent that dies, hangs at its start, asks, reports nonsense and ends, with these words."""
    policy = ResolvedPolicy.of("p", RunPolicySpec(restart_budget=0))
    state = OperatorState(run_uid="run-1", started_at=NOW, agents={"coder": AgentState(pod_uid="c0")})
    spec = RunSpec(agents=(Agent(name="coder", image="x"),))
    base = Snapshot(RunFacts("ns", "demo", "run-1", 1, spec), policy=policy, state=state)
    running = replace(pod_facts(pod("", ended=False)), phase="Running", ready=True, waiting_reason="", reporting=True)
    yield replace(base, pods=(pod_facts(pod(said, ended=True)),))
    yield replace(base, pods=(pod_facts(pod(said, ended=False)),))
    question = {"id": "q1", "text": f"Shall I use\n{said}", "options": ["no", said]}
    result = {"outcome": "Completed", "summary": said, "outputs": {"out": said}}
    for words in ({"questions": [question]}, {"problems": [said]}, {"result": result}, {"result": result | {"outcome": "Failed"}}):
        found = report_facts(report(**words))
        assert found
        pods = (pod_facts(pod(said, ended=True, code=0)),) if "result" in words else (running,)
        yield replace(base, pods=pods, reports=(found,))


def carried_out(snapshot: Snapshot) -> Iterator[tuple[Snapshot, Plan]]:
    """Yield each plan until the state is stable; an escalation counts as created."""
    made: set[str] = set()
    for _ in range(8):
        decision = plan(snapshot, NOW)
        yield snapshot, decision
        step = next((a for a in decision.actions if isinstance(a, Transition)), None)
        if step is None:
            created = {a.escalation for a in decision.actions if isinstance(a, CreateEscalation)} - made
            if not created:
                return
            made |= created
        else:
            snapshot = replace(snapshot, state=apply(snapshot, step, NOW))


def sinks(snapshot: Snapshot, decision: Plan) -> Iterator[tuple[str, str]]:
    """Yield all output of one plan: written, posted, sent and stored."""
    status = build_status(snapshot, decision, decision.actions, {}, NOW)
    run = {"metadata": {"namespace": "ns", "name": "demo", "uid": "run-1"}, "status": status}
    yield "status", json.dumps(status)
    yield "state", json.dumps(dump(snapshot.state)) if snapshot.state else ""
    yield "event", json.dumps(event_for(run | {"status": status | {"phase": "Completed"}}))
    end = {"phase": "Completed", "completionTime": STAMP}
    yield "notification", str(finished(None, run | {"status": status | end}))
    for action in decision.actions:
        if isinstance(action, CreateEscalation):
            escalation = build_escalation(snapshot.run, action, None)
            yield "escalation", json.dumps(escalation)
            yield "notification", str(opened(escalation))
    yield "ledger", json.dumps(row_of(entry_of(snapshot, decision, decision.actions, "", NOW)))


@pytest.mark.parametrize("kind", SECRETS)
def test_no_sink_shows_a_secret(kind: str) -> None:
    """A secret is in no status, state, Event, escalation, notification or ledger row, for every way of reporting it."""
    seen: set[str] = set()
    for snapshot in stories(f"the model said 401\n{SECRETS[kind]}\nand that was all"):
        for at, decision in carried_out(snapshot):
            for sink, text in sinks(at, decision):
                assert marrow(kind) not in text.replace("\\n", "\n").replace('\\"', '"'), f"{sink}: {text}"
                seen |= {sink} if REDACTED in text else set()
    assert seen == {"status", "state", "event", "escalation", "notification", "ledger"}


def test_what_is_left_can_be_read_and_names_nothing_anew() -> None:
    """The rest of the question stays readable; its escalation's name comes from its ID, which redaction does not change."""
    asking = (list(stories(said))[2] for said in ("a branch", SECRETS["github"]))
    plain, secret = (plan(snapshot, NOW).actions[0] for snapshot in asking)
    assert isinstance(plain, CreateEscalation)
    assert isinstance(secret, CreateEscalation)
    assert (plain.escalation, plain.inquiry.question) == (secret.escalation, secret.inquiry.question)
    assert secret.inquiry.text == f"Shall I use\n{REDACTED}"
    assert secret.inquiry.options == ("no", REDACTED)


def test_a_report_is_redacted_within_its_bounds() -> None:
    """The examined part of an agent's questions is bounded, and all questions remain distinct."""
    asked = [{"id": f"q{n}", "text": "x" * 16384, "options": ["y" * 1024] * 16} for n in range(8)]
    found = report_facts(report(questions=asked))
    assert found
    assert [q.id for q in found.questions] == [f"q{n}" for n in range(8)]
    assert sum(len(text) for q in found.questions for text in (q.text, *q.options)) <= 32768
