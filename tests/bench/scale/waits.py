"""The times of keys in the operator's queue, by its own metrics: upper bounds for shares of them."""

from __future__ import annotations

from controller.api.base import JsonObject
from tests.bench.measured import HALF, MOST

PREFIX = 'runwatchman_workqueue_latency_seconds_bucket{le="'

Buckets = dict[float, float]
"""Bound in seconds -> how many keys waited no longer."""


def buckets(metrics: str) -> Buckets:
    """Read the histogram from the text of a metrics endpoint."""
    found = (line.removeprefix(PREFIX).split('"} ') for line in metrics.splitlines() if line.startswith(PREFIX))
    return {float(bound): float(count) for bound, count in found}


def waits(before: Buckets, after: Buckets) -> JsonObject:
    """Return the bounds of the median and the 99th percentile of the waits in between."""
    between = {bound: count - before[bound] for bound, count in after.items()}
    number = max(between.values())
    half, most = (min(bound for bound, count in between.items() if count >= number * part) for part in (HALF, MOST))
    return {"number": number, "p50_at_most": half, "p99_at_most": most}
