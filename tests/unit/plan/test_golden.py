"""Golden plans: a situation in, the decision out. Each file in cases/ tells stories; `UPDATE_GOLDEN=1` writes their `then`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from controller.api.base import parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.policy import ResolvedPolicy, RunPolicySpec
from controller.api.run_status import OperatorState
from controller.api.violations import Refused
from controller.plan import Plan, Snapshot, plan
from controller.plan.model import ClaimFacts, PodFacts, Refusal, RunFacts

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
DEFAULTS: dict[str, Any] = {"run_uid": "run-1", "finalizers": ["runwarden.dev/outcome"]}


def snapshot_of(given: dict[str, Any]) -> Snapshot:
    """Build a snapshot from a case's `given`: spec, state, pods, claims, refusals and flags."""
    obj = {"spec": given["spec"]}
    try:
        spec = parse_run_spec(obj)
        violations = check_run(spec)
    except Refused as refused:
        spec, violations = None, refused.violations
    run = RunFacts("ns", "demo", "run-1", 1, spec, violations, gone=given.get("gone", False))
    pods = [
        DEFAULTS | {"agent": p["name"].split("-")[1], "attempt": int(p["name"].rpartition("r")[2])} | p
        for p in given.get("pods", [])
    ]
    policy = parse(RunPolicySpec, given.get("policy", {})) if given.get("policy") not in ("missing", "broken") else None
    return Snapshot(
        run=run,
        policy=ResolvedPolicy.of("default", policy) if policy else None,
        policy_exists=given.get("policy") != "missing",
        policy_refusal={"missing": "RunPolicy strict does not exist", "broken": "RunPolicy strict: spec.restartBudget: wrong"}.get(
            str(given.get("policy")), ""
        ),
        state=parse(OperatorState, {"runUID": "run-1"} | given["state"]) if "state" in given else None,
        state_refusal=given.get("state_refusal", ""),
        pods=TypeAdapter(tuple[PodFacts, ...]).validate_python(pods),
        claims=TypeAdapter(tuple[ClaimFacts, ...]).validate_python(given.get("claims", [])),
        refusals=TypeAdapter(tuple[Refusal, ...]).validate_python(given.get("refusals", [])),
        namespace_terminating=given.get("namespace_terminating", False),
    )


def told(decision: Plan) -> dict[str, Any]:
    """Return what a case's `then` says of a plan."""
    verdict = decision.verdict
    found: dict[str, Any] = {"rule": decision.rule, "phase": verdict.phase.value, "reason": verdict.reason.value}
    if verdict.message:
        found["message"] = verdict.message
    if decision.actions:
        found["actions"] = [
            " ".join(filter(None, (a.intent.value, a.step.value, a.pod or a.agent, a.reason.value))) for a in decision.actions
        ]
    if decision.agents:
        found["agents"] = {view.name: f"{view.health.value} {view.reason}" for view in decision.agents}
    if verdict.next_check:
        found["check in seconds"] = round((verdict.next_check - NOW).total_seconds())
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_plan(path: Path) -> None:
    """Every story in a file leads to the decision that the file tells."""
    stories = list(yaml.safe_load_all(path.read_text()))
    for story in stories:
        found = told(plan(snapshot_of(story["given"]), NOW))
        if os.environ.get("UPDATE_GOLDEN"):
            story["then"] = found
        assert found == story.get("then"), f"{path.stem}: {story['story']}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(yaml.safe_dump_all(stories, sort_keys=False, width=120))


def test_every_rule_has_a_story() -> None:
    """No rule is without a golden case."""
    from controller.plan.rules import RULES

    seen = {story["then"]["rule"] for path in CASES for story in yaml.safe_load_all(path.read_text())}
    assert {rule.__name__ for rule in RULES} == seen
