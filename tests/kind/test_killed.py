"""The short form of `make chaos`: an operator that is killed repeatedly, compared with an undisturbed one.

The operators are processes, not an installation: a kill comes within milliseconds of a log line, and the restart is immediate. A
container allows neither: its log is read through two programs, and its kubelet delays restarts after crashes.
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
    """With ten kills of the operator the same Runs end the same, P1 to P5 hold, and no object is left."""
    lines: list[str] = []
    with watching(kind_cluster) as evidence:
        report = Campaign(kind_cluster, evidence, SCENARIOS, SEED, lines.append).side_by_side("short", "status", KILLS)
        assert evidence.complete
    assert report.faults == [], lines
    assert report.toll.kills == KILLS
