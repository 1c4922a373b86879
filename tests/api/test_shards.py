"""Operators that share the Runs by shards: who holds what, what becomes of Runs when one is killed or held up, and when their number changes."""

from __future__ import annotations

from tests.api.fleet import fleet_of, told_by
from tests.cluster import Cluster
from tests.support import apply, await_phase, await_that, run_of


def test_shares_are_fair_and_every_run_is_worked_on(api_cluster: Cluster, namespace: str) -> None:
    """Two replicas share three shards as two and one; a third replica takes one of them over; every Run completes."""
    with fleet_of(api_cluster, namespace) as fleet:
        fleet.start(3)
        fleet.await_shares(3, (3,))
        fleet.start(3)
        fleet.await_shares(3, (2, 1))
        fleet.start(3)
        fleet.await_shares(3, (1, 1, 1))
        apply(api_cluster, namespace, *(run_of(f"run-{number}") for number in range(12)))
        for number in range(12):
            await_phase(api_cluster, namespace, f"run-{number}", "Completed")
        for operator in fleet.all:
            await_that(lambda op=operator: "of 3 shards under epoch 1" in told_by(op), "readyz to say so")
            assert operator.stop() == 0
