"""The short form of `make chaos`: the operator killed again and again, beside one that nobody disturbs.

As processes, not as an installation: a kill comes within milliseconds of a line of the log, and the next life begins at once.
Neither can be had of a container, whose log is read through two programs and whose kubelet holds back what crashes.
"""

from __future__ import annotations

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.evidence import watching
from tests.chaos.scenarios import SCENARIOS
from tests.cluster import Cluster

KILLS = 10
SEED = 4


@pytest.mark.usefixtures("no_operator")
def test_a_killed_operator_ends_where_an_undisturbed_one_does(kind_cluster: Cluster) -> None:
    """With the operator killed ten times the same Runs end the same, P1 to P5 hold, and nothing is left."""
    lines: list[str] = []
    with watching(kind_cluster) as evidence:
        report = Campaign(kind_cluster, evidence, SCENARIOS, SEED, lines.append).side_by_side("short", "status", KILLS)
        assert evidence.complete
    assert report.faults == [], lines
    assert report.toll.kills == KILLS
