"""The measurement of a ledger's cost, on few Runs: every figure is there."""

from __future__ import annotations

from dataclasses import astuple

from tests.bench.ledger import take_turn
from tests.cluster import Cluster


def test_a_turn_has_every_figure(api_cluster: Cluster) -> None:
    """With the detail `all`, which has rows of Runs that only report."""
    cost = take_turn(api_cluster, "all", 1, 2)
    assert all(figure > 0 for figure in astuple(cost)), cost
