"""What Prometheus sees of restarts and budgets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, failing, policy_of, run_of, simulated_forever

RESTARTS, LEFT = "runwarden_restarts_total", "runwarden_restart_budget_left"


@pytest.fixture
def operator(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator of the test's own, whose counters begin at 0."""
    told = ("--namespace", namespace, "--lease-name", f"metrics-{namespace}")
    with OperatorProcess(api_cluster, *told) as started:
        yield started


def series(operator: OperatorProcess, name: str) -> dict[str, float]:
    """Return a metric's values, by its charge or Run."""
    families = text_string_to_metric_families(operator.probe("metrics", "metrics")[1])
    samples = (sample for family in families for sample in family.samples if sample.name == name)
    return {sample.labels.get("charge") or sample.labels["run"]: sample.value for sample in samples}


def test_restarts_and_the_budget_left(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """Restarts are counted by who pays, once each; what is left of a budget is told while its Run is unfinished, and no longer."""
    policy = policy_of({"restartBudget": 2, "restartCooldownSeconds": 1})
    apply(api_cluster, namespace, policy, failing("spent"), simulated_forever("asked"), run_of("done"))
    await_phase(api_cluster, namespace, "spent", "Blocked")
    await_phase(api_cluster, namespace, "asked", "Running")
    await_phase(api_cluster, namespace, "done", "Completed")
    await_that(lambda: series(operator, LEFT) == {"spent": 0.0, "asked": 2.0}, "the budgets of the unfinished alone")
    assert series(operator, RESTARTS) == {"budget": 2.0}
    asked = json.dumps({"spec": {"restartedAt": {"coder": "2026-01-01T00:00:00Z"}}})
    api_cluster.kubectl("-n", namespace, "patch", "run", "asked", "--type=merge", "-p", asked)
    await_that(lambda: series(operator, RESTARTS) == {"budget": 2.0, "nobody": 1.0}, "the manual restart counted")
    assert series(operator, LEFT)["asked"] == 2.0
    api_cluster.kubectl("-n", namespace, "delete", "run", "spent", "asked")
    await_that(lambda: not series(operator, LEFT), "the series of the deleted Runs gone")
