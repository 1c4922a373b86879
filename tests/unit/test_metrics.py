"""Series of Runs: one for each unfinished Run, labelled by its name only."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from controller.adapter.metrics import AdapterMetrics
from controller.api.base import JsonObject
from controller.observability.metrics import Metrics
from controller.observability.provider_metrics import ProviderMetrics, SeenProvider
from controller.observability.run_metrics import MAX_TENANTS, OTHER, RunMetrics, Used
from controller.reconcile.after_save import used_since

USAGE = {"inputTokens": 10, "outputTokens": 5, "costMicroUSD": 3}
LEFT = "runwatchman_restart_budget_left"
OF_RUNS = {LEFT: {"namespace", "run"}}
"""Series with labels that tenants choose: each is removed with its Run."""
CAPPED = {
    "runwatchman_runs_finished": {"namespace", "policy", "phase"},
    "runwatchman_agent_tokens": {"namespace", "policy", "provider"},
    "runwatchman_agent_cost_usd": {"namespace", "policy", "provider"},
    "runwatchman_waited_for_people_seconds": {"namespace", "policy"},
    "runwatchman_human_wait_seconds": {"phase"},
    "runwatchman_provider_state": {"namespace", "provider"},
    "runwatchman_provider_agents": {"namespace", "provider"},
    "runwatchman_provider_closed_seconds": {"namespace", "provider"},
    "runwatchman_provider_budget_used_ratio": {"namespace", "provider", "budget"},
}
"""Series with labels that tenants choose, of which only so many have values of their own."""
BOUNDED = {
    *("step", "type", "scope", "state", "standing"),
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
        assert labels <= OF_RUNS.get(name, set()) | CAPPED.get(name, set()) | BOUNDED, name


def test_tenants_fill_only_so_many_series() -> None:
    """After the limit all pairs of a namespace and a policy share one; those that were first keep theirs."""
    registry = CollectorRegistry()
    metrics = RunMetrics(registry)
    for number in range(MAX_TENANTS + 100):
        metrics.count_end(f"team-{number}", "default", "Completed", "AllAgentsComplete")
        metrics.count_usage(f"team-{number}", "default", "claude", Used(10, 5, 250_000))
        metrics.count_wait(f"team-{number}", "default", "Question", "Answered", 60.0)
    metrics.count_end("team-0", "default", "Completed", "AllAgentsComplete")
    for family in registry.collect():
        tenants = {(s.labels["namespace"], s.labels["policy"]) for s in family.samples if "namespace" in s.labels}
        assert len(tenants) in (0, MAX_TENANTS + 1), family.name
    ended = {"phase": "Completed", "reason": "AllAgentsComplete"}
    count, other = "runwatchman_runs_finished_total", {"namespace": OTHER, "policy": OTHER}
    assert registry.get_sample_value(count, {"namespace": "team-0", "policy": "default"} | ended) == 2
    assert registry.get_sample_value(count, other | ended) == 100
    other |= {"provider": OTHER}
    assert registry.get_sample_value("runwatchman_agent_tokens_total", other | {"direction": "input"}) == 1000
    assert registry.get_sample_value("runwatchman_agent_cost_usd_total", other) == 25.0


def test_a_namespaces_providers_fill_only_so_many_series() -> None:
    """The name of a provider is a tenant's word, also of one that does not exist."""
    registry = CollectorRegistry()
    metrics = RunMetrics(registry)
    for number in range(MAX_TENANTS + 100):
        metrics.count_usage("team", "default", f"p-{number}", Used(output_tokens=1))
    [tokens] = [family for family in registry.collect() if family.name == "runwatchman_agent_tokens"]
    assert len({sample.labels["provider"] for sample in tokens.samples}) == MAX_TENANTS + 1


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, {}),
        ({}, {"usage": USAGE}, {"": Used(10, 5, 3)}),
        ({"usage": USAGE}, {"usage": USAGE}, {}),
        ({}, {"usage": USAGE, "agents": [{"name": "coder", "usage": USAGE}]}, {"claude": Used(10, 5, 3)}),
        ({}, {"usage": USAGE, "agents": [{"name": "coder", "usage": {"inputTokens": 4}}]}, {"claude": Used(4), "": Used(6, 5, 3)}),
        (
            {"usage": {"inputTokens": 4}, "agents": [{"name": "coder", "usage": {"inputTokens": 4}}]},
            {"usage": USAGE, "agents": [{"name": "coder", "usage": USAGE}]},
            {"claude": Used(6, 5, 3)},
        ),
        ({"agents": [{"name": "coder"}]}, {"usage": USAGE, "agents": [{"name": "critic", "usage": USAGE}]}, {"": Used(10, 5, 3)}),
    ],
)
def test_usage_counts_for_its_provider_once(before: JsonObject, after: JsonObject, expected: dict[str, Used]) -> None:
    """What a save adds counts for the provider of the agent that used it, the rest for none."""
    run = {"spec": {"agents": [{"name": "coder", "provider": "claude"}, {"name": "critic"}]}, "status": after}
    assert used_since(before, run) == expected


def test_what_waits_for_people_is_as_old_as_its_oldest() -> None:
    """Each type has a number and an age; a type without any has 0 again."""
    registry = CollectorRegistry()
    metrics = RunMetrics(registry)

    def shown(name: str) -> list[float | None]:
        return [registry.get_sample_value(name, {"type": kind}) for kind in ("Blocked", "Question")]

    metrics.set_waiting(("Blocked", "Question"), [("Question", 30.0), ("Question", 90.0)])
    assert (shown("runwatchman_escalations_open"), shown("runwatchman_escalation_oldest_seconds")) == ([0, 2], [0, 90])
    metrics.set_waiting(("Blocked", "Question"), [])
    assert (shown("runwatchman_escalations_open"), shown("runwatchman_escalation_oldest_seconds")) == ([0, 0], [0, 0])


def test_providers_have_series_while_they_exist() -> None:
    """The time that one is closed is counted between two reads, and the series end with the provider."""
    clock = iter((0.0, 10.0, 25.0, 30.0, 40.0))
    registry = CollectorRegistry()
    metrics = ProviderMetrics(registry, lambda: next(clock))
    name = {"namespace": "team", "provider": "claude"}
    for state in ("Closed", "Probing", "Open"):
        metrics.set([SeenProvider("team", "claude", state, state != "Open", 2, 3)])
    assert registry.get_sample_value("runwatchman_provider_closed_seconds_total", name) == 15
    assert registry.get_sample_value("runwatchman_provider_state", name | {"state": "Open"}) == 1
    assert registry.get_sample_value("runwatchman_provider_state", name | {"state": "Closed"}) is None
    assert registry.get_sample_value("runwatchman_provider_agents", name | {"standing": "waiting"}) == 3
    metrics.set([])
    assert not [sample for family in registry.collect() for sample in family.samples]
