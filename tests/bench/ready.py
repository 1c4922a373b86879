"""The time until an operator is ready on an empty cluster, by its own log: from its start to each step.

scripts/run python -m tests.bench.ready [--count N] [--cluster NAME]
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import click
from prometheus_client.parser import text_string_to_metric_families

from tests.chart.helm import NAMESPACE, RELEASE, install
from tests.cluster import Cluster, lifecycle
from tests.reporter_image import load_reporter_image
from tests.scrape import scrape
from tests.support import await_that, items

STEPS = {
    "listening": "its modules are loaded, probes are answered",
    "lease acquired": "it leads",
    "synced": "its caches are complete",
    "watching": "its watches have started: /readyz says yes",
}
"""The log's events, in this order, and their meanings."""
START = "process_start_time_seconds"
"""The kernel's time, to a hundredth of a second; a kubelet's startedAt and Ready have whole seconds."""
METRICS_PORT = 8080
PATIENCE_SECONDS = 120.0


@click.command()
@click.option("--count", default=10, show_default=True, help="Starts to measure.")
@click.option("--cluster", "there", help="A kind cluster that `python -m tests.cluster up` has left; else one is made.")
def main(count: int, there: str | None) -> None:
    """Install the chart, then stop and start its operator repeatedly."""
    cluster = lifecycle.attach(there) if there else lifecycle.up("kind")
    try:
        load_reporter_image(cluster)
        with tempfile.TemporaryDirectory() as home:
            install(cluster.kubeconfig, Path(home))
        starts = [_start(cluster) for _ in range(count)]
        click.echo("\n".join(_table(starts)))
    finally:
        if not there:
            lifecycle.end(cluster)


def _start(cluster: Cluster) -> dict[str, float]:
    """Start the stopped operator and return, by step, the seconds since its process began."""
    deployment = f"deployment/{RELEASE}"
    cluster.kubectl("-n", NAMESPACE, "scale", deployment, "--replicas=0")
    await_that(lambda: not items(cluster, NAMESPACE, "pods"), "the old operator's pod to be deleted", PATIENCE_SECONDS)
    cluster.kubectl("-n", NAMESPACE, "scale", deployment, "--replicas=1")
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", deployment, f"--timeout={PATIENCE_SECONDS:.0f}s")
    (pod,) = [each["metadata"]["name"] for each in items(cluster, NAMESPACE, "pods")]
    began = _began(cluster, pod)
    told = await_that(lambda: _complete(_log(cluster, pod)), "every step in the log", PATIENCE_SECONDS)
    return {step: (told[step] - began).total_seconds() for step in STEPS}


def _began(cluster: Cluster, pod: str) -> datetime:
    _, text = scrape(cluster, NAMESPACE, pod, METRICS_PORT)
    found = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    return datetime.fromtimestamp(found[START], UTC)


def _log(cluster: Cluster, pod: str) -> dict[str, datetime]:
    """Return the time at which each step was first logged."""
    lines = cluster.kubectl("-n", NAMESPACE, "logs", pod, "-c", "operator").splitlines()
    said = [json.loads(line) for line in reversed(lines) if line.startswith("{")]
    return {each["event"]: datetime.fromisoformat(each["timestamp"]) for each in said}


def _complete(told: dict[str, datetime]) -> dict[str, datetime] | None:
    return told if told.keys() >= STEPS.keys() else None


def _table(starts: list[dict[str, float]]) -> list[str]:
    head = [f"| from the process's start, {len(starts)} times, until | median s | least | most |", "|---|---|---|---|"]
    rows = {meaning: [start[step] for start in starts] for step, meaning in STEPS.items()}
    return head + [f"| {name} | {median(found):.2f} | {min(found):.2f} | {max(found):.2f} |" for name, found in rows.items()]


if __name__ == "__main__":
    main()
