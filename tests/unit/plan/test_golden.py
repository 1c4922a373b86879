"""Golden plans: each story has a snapshot and its plan, one directory per rule.

`UPDATE_GOLDEN=1` writes the plans; `stories` has the form of a story.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli.plan import load
from controller.plan import plan
from controller.plan.context import PlanContext
from controller.plan.plan_document import write_plan
from controller.plan.rules.agent_rules import AGENT_RULES, AgentRule
from controller.plan.rules.run_rules import RULES
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.snapshot_writer import write_snapshot
from tests.golden import dump
from tests.unit.plan.stories import BASES, CASES, NOW, document_of, merge, snapshot_of, story_of

[NEW_RUN] = [path for path in CASES if path.stem == "new-run-gets-pod"]
RUN_RULES = {rule.id for rule in RULES}
OTHER_PARTS = {"advised", "approvals", "inbox", "dry_run", "refusals"}
"""Directories for parts of the plan other than the rules."""


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_plan(path: Path) -> None:
    """A story's snapshot leads to the plan in its file, byte for byte; the digest follows from the rest of the plan."""
    story = story_of(path)
    found = write_plan(plan(*read_snapshot(document_of(path))))
    del found["digest"]
    if os.environ.get("UPDATE_GOLDEN"):
        story |= {"snapshot": load(path.read_text()), "plan": found}
        path.write_text(dump(story))
    assert found == story["plan"], story["story"]


def test_the_digest_of_a_plan_is_stable() -> None:
    """The digest in logs, `status.plan` and the ledger is the same in every version; scripts/digests.py compares all stories."""
    assert plan(snapshot_of(NEW_RUN), NOW).digest == "408b11202124ca1e231496329d357f37af501ea45f2c809f50c36bb637a1eda6"


def test_the_digest_of_a_dry_run_is_that_of_the_withheld_plan() -> None:
    """A dry run has the same decision, whose actions it only shows."""
    snapshot = snapshot_of(NEW_RUN)
    assert snapshot.policy
    spec = snapshot.policy.spec.model_copy(update={"dry_run": True})
    shown = plan(replace(snapshot, policy=replace(snapshot.policy, spec=spec)), NOW)
    assert (shown.actions, shown.withheld) == ((), plan(snapshot, NOW).actions)
    assert shown.digest == plan(snapshot, NOW).digest


def test_a_digest_is_computed_when_it_is_asked_for() -> None:
    """A reconcile makes several plans and records the digest of one."""
    decision = plan(snapshot_of(NEW_RUN), NOW)
    assert "digest" not in vars(decision)
    assert decision.digest == vars(decision)["digest"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_written_snapshot_reads_back_equal(path: Path) -> None:
    """The ledger stores a snapshot without loss."""
    snapshot, now = read_snapshot(document_of(path))
    if snapshot.run.spec is not None:
        assert read_snapshot(write_snapshot(snapshot, now)) == (snapshot, now)


def test_every_base_is_inherited() -> None:
    """Every common situation in bases/ is that of a story, or of another base."""
    bases = sorted(BASES.glob("*.yaml"))
    assert {path.stem for path in bases} == {story_of(path).get("base") for path in [*CASES, *bases]} - {None}


@pytest.mark.parametrize(
    ("base", "change", "merged"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": [{"b": 1}, {"c": 2}]}, {"a": {1: {"c": 3}, 2: {"d": 4}}}, {"a": [{"b": 1}, {"c": 3}, {"d": 4}]}),
        ({"a": [1, 2]}, {"a": {0: None}}, {"a": [2]}),
        ({}, {"a": {"b": None}}, {"a": {"b": None}}),
    ],
    ids=["deeply", "null removes", "a list replaces", "a mapping changes items", "null removes an item", "null of the story's own"],
)
def test_merge(base: object, change: object, merged: object) -> None:
    """A story changes only what it names."""
    assert merge(base, change) == merged


def test_every_rule_has_its_stories() -> None:
    """Every rule, of Runs or of agents, has a directory of golden cases, and every directory belongs to a rule."""
    agent_rules = {rule.id for rule in AGENT_RULES}
    assert {path.parent.name for path in CASES} == RUN_RULES | agent_rules | OTHER_PARTS


@pytest.mark.parametrize("rule", AGENT_RULES, ids=lambda rule: rule.id)
def test_every_rule_for_agents_tells_a_story_of_its_directory(rule: AgentRule) -> None:
    """Each rule's directory has a story that the rule decides, in addition to those in which it does not apply."""
    situations = [PlanContext(snapshot_of(path), NOW) for path in CASES if path.parent.name == rule.id]
    first = [next((r for r in AGENT_RULES if r.check(at, agent)), None) for at in situations for agent in at.agents]
    assert rule in first


@pytest.mark.parametrize("rule", sorted(RUN_RULES))
def test_every_rule_for_runs_tells_a_story_of_its_directory(rule: str) -> None:
    """Each rule's directory has a story that the rule decides, in addition to those in which it does not apply."""
    assert rule in {plan(snapshot_of(path), NOW).rule for path in CASES if path.parent.name == rule}
