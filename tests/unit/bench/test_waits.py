"""The campaign at scale reads its figures from the operator's own metrics."""

from __future__ import annotations

from prometheus_client import generate_latest

from controller.observability.metrics import Metrics
from tests.bench.scale.waits import buckets, waits


def test_only_what_came_between_is_told_of() -> None:
    """A hundred old waits do not count; the bounds cover half and 99 of 100 of those since."""
    metrics = Metrics()
    for _ in range(100):
        metrics.queue_latency.observe(30)
    before = buckets(generate_latest(metrics.registry).decode())
    for seconds in [0.004] * 98 + [0.4] * 2:
        metrics.queue_latency.observe(seconds)
    after = buckets(generate_latest(metrics.registry).decode())
    assert waits(before, after) == {"number": 100, "p50_at_most": 0.005, "p99_at_most": 0.5}
