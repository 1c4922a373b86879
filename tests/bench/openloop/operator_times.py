"""The operator's own measurements, from its metrics: how often and how long it waited, worked and asked the API server. Pure."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.bench.openloop.results import DIGITS, Mean

SUM, COUNT = "_sum", "_count"
NAMES = {
    "runwatchman_workqueue_latency_seconds": "wait for a worker",
    "runwatchman_workqueue_work_duration_seconds": "pass",
    "runwatchman_api_request_duration_seconds": "request",
}
NUMBER_DIGITS = 2

Totals = dict[str, tuple[float, float]]
"""Name -> number and seconds since the operator's start."""


def totals(metrics: str) -> Totals:
    """Read the text of a metrics endpoint; requests are named by their verb."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            for part in (SUM, COUNT):
                if name := NAMES.get(sample.name.removesuffix(part) if sample.name.endswith(part) else ""):
                    found[" ".join([name, *sample.labels.values()]), part] = sample.value
    return {name: (found[name, COUNT], found[name, SUM]) for name, part in found if part == COUNT}


def means(before: Totals, after: Totals, objects: int) -> dict[str, Mean]:
    """Return what happened in between: the number per object, and the mean seconds."""
    pairs = {
        name: (number - before.get(name, (0, 0))[0], spent - before.get(name, (0, 0))[1]) for name, (number, spent) in after.items()
    }
    return {
        name: Mean(round(number / objects, NUMBER_DIGITS), round(spent / number, DIGITS))
        for name, (number, spent) in pairs.items()
        if number
    }
