"""The short form of `make failover`: each kind of blow once, at the leader of the chart's two operators."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.evidence import KINDS, watching
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.failover.blows import BLOWS
from tests.failover.campaign import Campaign
from tests.failover.outcome import Outcome, table
from tests.failover.release import LEASES, QUICK_LEASE, Release, install
from tests.skipping import cannot_run

SEED = 7


@pytest.fixture
def struck(fresh: Cluster, tmp_path: Path) -> KindCluster:
    """A cluster with the release, whose operators can be struck on their nodes."""
    if not isinstance(fresh, KindCluster):
        cannot_run("strikes operators on their nodes, so only on nodes of our own")
    install(fresh, tmp_path, *QUICK_LEASE)
    return fresh


def test_a_struck_leader_costs_no_run_anything(struck: KindCluster) -> None:
    """Killed, frozen, cut off: another leads, the former leader ends, every Run ends as an undisturbed one, P1 to P5 hold."""
    lines: list[str] = []
    with watching(struck, (*KINDS, LEASES)) as evidence:
        outcome: Outcome = Campaign(struck, evidence, Release(struck, evidence), SEED, lines.append).all(BLOWS, 1)
        assert evidence.complete
    assert outcome.good, "\n".join([*lines, *table(outcome, complete=True)])
    assert [len(report.toll.takeovers) for report in outcome.reports] == [1] * len(BLOWS)
