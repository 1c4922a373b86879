"""Golden plans: each story has a snapshot and its plan, one directory per rule.

`UPDATE_GOLDEN=1` writes the plans. `runwarden plan -f FILE` prints the plan of a file.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.cli.plan import load
from controller.plan import Snapshot, plan
from controller.plan.context import PlanContext
from controller.plan.rules.agent_rules import AGENT_RULES, AgentRule
from controller.plan.rules.run_rules import RULES
from controller.plan.serialization import read_snapshot, write_plan, write_snapshot

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CASES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))
RUN_RULES = {rule.id for rule in RULES}
OTHER_PARTS = {"advised", "approvals", "inbox", "dry_run"}
"""Directories for parts of the plan other than the rules."""


def snapshot_of(path: Path) -> Snapshot:
    """Read the snapshot of a story."""
    return read_snapshot(load(path.read_text()))[0]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_plan(path: Path) -> None:
    """A story's snapshot leads to the plan in its file, byte for byte."""
    story = yaml.safe_load(path.read_text())
    snapshot, now = read_snapshot(load(path.read_text()))
    found = write_plan(plan(snapshot, now))
    if os.environ.get("UPDATE_GOLDEN"):
        kept: dict[str, Any] = {"story": story["story"], "snapshot": load(path.read_text()), "plan": found}
        path.write_text(yaml.safe_dump(kept, sort_keys=False, width=120, allow_unicode=True))
    assert found == yaml.safe_load(path.read_text())["plan"], story["story"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_written_snapshot_reads_back_equal(path: Path) -> None:
    """The ledger stores a snapshot without loss."""
    snapshot, now = read_snapshot(load(path.read_text()))
    if snapshot.run.spec is not None:
        assert read_snapshot(write_snapshot(snapshot, now)) == (snapshot, now)


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
