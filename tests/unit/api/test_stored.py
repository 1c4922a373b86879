"""Today's models read every field of objects that an earlier version has stored.

A release adds a folder and never changes an existing one. A stored object may only gain fields that have a default.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from controller.api.agent_report import AgentReportSpec, AgentReportStatus
from controller.api.base import ApiModel, dump, parse
from controller.api.escalation import EscalationSpec, EscalationStatus
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult
from controller.api.policy import RunPolicySpec
from controller.api.run import RunSpec
from controller.api.run_status import RunStatus

STORED = sorted((Path(__file__).parent / "stored").glob("*/*.yaml"))
MODELS: dict[tuple[str, str], type[ApiModel]] = {
    ("Run", "spec"): RunSpec,
    ("Run", "status"): RunStatus,
    ("RunPolicy", "spec"): RunPolicySpec,
    ("Escalation", "spec"): EscalationSpec,
    ("Escalation", "status"): EscalationStatus,
    ("AgentReport", "spec"): AgentReportSpec,
    ("AgentReport", "status"): AgentReportStatus,
}


def missing(stored: object, read: object, path: str = "") -> list[str]:
    """Return the fields of a stored object that are lost or changed."""
    if isinstance(stored, dict) and isinstance(read, dict):
        return [lost for key, value in stored.items() for lost in missing(value, read.get(key), f"{path}.{key}")]
    if isinstance(stored, list) and isinstance(read, list) and len(stored) == len(read):
        return [lost for one, other in zip(stored, read, strict=True) for lost in missing(one, other, f"{path}[]")]
    return [] if stored == read else [f"{path}: {stored!r} became {read!r}"]


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_was_stored_is_read(path: Path) -> None:
    """No stored object is refused, and none loses a field."""
    stored = yaml.safe_load(path.read_text())
    parts = [part for part in ("spec", "status") if part in stored]
    assert parts
    for part in parts:
        read = dump(parse(MODELS[stored["kind"], part], stored[part]))
        assert missing(stored[part], read) == []


@pytest.mark.parametrize("path", [path for path in STORED if path.stem == "run"], ids=lambda path: path.parent.name)
def test_the_stored_record_is_read(path: Path) -> None:
    """The operator's record, which the schema of a Run leaves open, is read whole, and written again without a change."""
    stored = yaml.safe_load(path.read_text())["status"]["operatorState"]
    assert dump(parse(OperatorState, stored)) == stored


@pytest.mark.parametrize("path", [path for path in STORED if path.stem == "run"], ids=lambda path: path.parent.name)
def test_an_earlier_version_knows_each_field_of_a_record_without_escalations(path: Path) -> None:
    """A rollback reads the record of an agent without escalations, in any store: later fields are not written empty."""
    stored = yaml.safe_load(path.read_text())["status"]["operatorState"]
    outcome = Outcome(attempt=1, result=OutcomeResult.FAILED, reason="NonZeroExit", exit_code=1)
    agent = AgentState(attempt=1, pod_uid="p", outcome=outcome, last_outcome="Evicted", restarts=1, free_restarts=1)
    written = dump(OperatorState(run_uid="u", agents={"a": agent}))
    assert set(written) <= set(stored)
    assert set(written["agents"]["a"]) <= set(stored["agents"]["a"])
    assert set(written["agents"]["a"]["outcome"]) <= set(stored["agents"]["a"]["outcome"])


def test_every_kind_is_stored() -> None:
    """Each version's folder has all four kinds."""
    for folder in {path.parent for path in STORED}:
        assert {path.stem for path in folder.iterdir()} == {kind.lower() for kind, _ in MODELS}
