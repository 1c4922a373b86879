"""The short form of `make failover`: each kind of blow once, against the leader of the chart's two operators."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chaos.evidence import KINDS, watching
from tests.chart.helm import install
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.failover import faults
from tests.failover.campaign import ASKING, Campaign, scenarios
from tests.failover.faults import BLOWS, FREEZE
from tests.failover.outcome import Outcome, table
from tests.failover.release import LEASES, QUICK_LEASE, TWO, Release
from tests.skipping import cannot_run

SEED = 7
STORIES = {"shared", "spent", "hung", "gone", "asking"}
"""A shared budget, a human's Retry and Stop, a hung agent, deleted pods, a question; `make failover` has all stories."""
MOUNT = "/mutant"
DEAF_TO_ITS_LEASE = """
from runwatchman.kube.leader_election import LeaderLease
LeaderLease._lose = lambda self, why: None
"""
"""A mutant of the operator in its image, as Python runs it at its start: it continues to lead for any holder of the Lease."""
QUICK_SECONDS = 5.0


def mutated(code: str) -> dict[str, object]:
    """Return values that make the operator run some code at its start."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mutant"}, "data": {"sitecustomize.py": code}}
    return {
        "extraObjects": [config],
        "extraEnv": [{"name": "PYTHONPATH", "value": MOUNT}],
        "extraVolumes": [{"name": "mutant", "configMap": {"name": "mutant"}}],
        "extraVolumeMounts": [{"name": "mutant", "mountPath": MOUNT, "readOnly": True}],
    }


@pytest.fixture
def nodes(fresh: Cluster) -> KindCluster:
    """A cluster whose operators can be struck on their nodes."""
    if not isinstance(fresh, KindCluster):
        cannot_run("strikes operators on their nodes, so only on nodes of our own")
    return fresh


def test_a_struck_leader_costs_no_run_anything(nodes: KindCluster, tmp_path: Path) -> None:
    """Killed, frozen, cut off: another leads, the former leader ends, every Run ends as an undisturbed one, P1 to P5 hold."""
    install(nodes.kubeconfig, tmp_path, TWO, *QUICK_LEASE)
    lines: list[str] = []
    stories = [each for each in scenarios() if each.name in STORIES]
    with watching(nodes, (*KINDS, LEASES)) as evidence:
        outcome: Outcome = Campaign(nodes, evidence, Release(nodes, evidence), SEED, lines.append, stories).all(BLOWS, 1)
        assert evidence.complete
    assert outcome.good, "\n".join([*lines, *table(outcome, complete=True)])
    assert [len(report.toll.takeovers) for report in outcome.reports] == [1] * len(BLOWS)


def test_a_leader_that_goes_on_is_found(nodes: KindCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign detects a former leader that wakes up and continues to lead: a mutant of the operator."""
    (values := tmp_path / "values.yaml").write_text(yaml.safe_dump(mutated(DEAF_TO_ITS_LEASE)))
    install(nodes.kubeconfig, tmp_path, TWO, *QUICK_LEASE, f"--values={values}")
    monkeypatch.setattr(faults, "FAREWELL_SECONDS", QUICK_SECONDS)
    with watching(nodes, (*KINDS, LEASES)) as evidence:
        outcome = Campaign(nodes, evidence, Release(nodes, evidence), SEED, lambda _: None, [ASKING]).all([FREEZE], 1)
    assert not outcome.good
    assert "has not ended" in "\n".join(table(outcome, complete=True))
