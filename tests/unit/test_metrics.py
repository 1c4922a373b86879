"""Series of Runs: one for each unfinished Run, labelled by its name only."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from controller.adapter.metrics import AdapterMetrics
from controller.observability.metrics import Metrics

LEFT = "runwatchman_restart_budget_left"
OF_RUNS = {LEFT: {"namespace", "run"}}
"""Series with labels that tenants choose: each is removed with its Run."""
BOUNDED = {
    "step",
    *("result", "intent", "reason", "verb", "resource", "code", "event", "operation", "charge", "shard", "command", "ended"),
    *("direction", "version", "python", "kopf", "implementation", "major", "minor", "patchlevel", "le"),
}
"""Labels with values from us, the API server or the installer: none comes from an object that a tenant writes."""


def left(metrics: Metrics, run: str = "a") -> float | None:
    """Return the value of a Run's series."""
    return metrics.registry.get_sample_value(LEFT, {"namespace": "team", "run": run})


def test_a_namesake_keeps_its_series() -> None:
    """After a Run was deleted and applied again, a late event about the old one keeps the series of the new one."""
    metrics = Metrics()
    metrics.set_budget_left("team", "a", "one", 3)
    metrics.set_budget_left("team", "a", "two", 2)
    metrics.set_budget_left("team", "a", "one", None)
    assert left(metrics) == 2
    metrics.set_budget_left("team", "a", "two", None)
    assert left(metrics) is None
    metrics.set_budget_left("team", "a", "two", None)
    assert metrics._budget_of == {}


def test_no_series_has_an_unbounded_label() -> None:
    """No label has a UID, and labels that tenants choose are only on series that are removed with their Run."""
    metrics, advisors = Metrics(), CollectorRegistry()
    AdapterMetrics(advisors)
    metrics.set_budget_left("team", "a", "one", 3)
    declared = {
        (collector._name, frozenset(getattr(collector, "_labelnames", ())))  # type: ignore[attr-defined]
        for registry in (metrics.registry, advisors)
        for collector in registry._collector_to_names
        if hasattr(collector, "_labelnames")
    }
    assert declared
    for name, labels in declared:
        assert labels <= OF_RUNS.get(name, set()) | BOUNDED, name
