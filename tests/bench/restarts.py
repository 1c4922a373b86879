"""The cost of a restart: its duration on real kubelets, its writes, and the writes of an idle operator.

scripts/run python -m tests.bench.restarts [--count N] [--idle-seconds S] [--cluster NAME]
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import median

import click
from prometheus_client.parser import text_string_to_metric_families

from controller.api.base import JsonObject
from tests.chaos.evidence import Change, Evidence, watching
from tests.chaos.pods import Pod
from tests.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.installed_cluster import installed_cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, items, run_of, shell, simulated_forever

UPTIME = "cut -d' ' -f1 /proc/uptime"
"""The kernel's clock, which every node of a kind cluster shares: timestamps in whole seconds are too coarse."""
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OURS = ("runwatchman/", "kopf/", "Python")
SETTLING_SECONDS = 5.0
"""Longer than the delay of a status."""
IDLE_RUNS = 50
PATIENCE_SECONDS = 300.0
NODES = 2

Writes = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Restart:
    """One first restart, in seconds: from an agent's death to its working successor, and the visible parts of it."""

    processes: float
    stamps: float
    watched: float
    phased: float
    created: float
    ungated: float


@click.command()
@click.option("--count", default=10, show_default=True, help="Restarts to measure; 0 leaves them out.")
@click.option("--idle-seconds", default=300.0, show_default=True, help="Seconds to watch an idle operator for; 0 leaves it out.")
@click.option("--cluster", "there", help="A kind cluster that `python -m tests.cluster up` has left; else one is made.")
def main(count: int, idle_seconds: float, there: str | None) -> None:
    """Measure restarts on a kind cluster, and idle writes on a control plane with simulated nodes."""
    if count:
        with bench_cluster("kind", there) as cluster, watching(cluster) as evidence, _stage(cluster) as (operator, namespace):
            restarts = [_restart(cluster, evidence, namespace, f"run-{number}") for number in range(count)]
            click.echo("\n".join(_times(restarts)) + "\n")
            click.echo("\n".join(_table(_writes_per_restart(cluster, operator, namespace, count), count)) + "\n")
    if idle_seconds:
        with bench_cluster("api", None) as cluster, _stage(cluster) as (operator, namespace):
            written = _idle_writes(cluster, namespace, idle_seconds)
            assert operator.ready(), "an operator that has ended is silent, too"
            click.echo(f"Writes of {IDLE_RUNS} running Runs in {idle_seconds:.0f} s: {written}")


def bench_cluster(provider: str, there: str | None, nodes: int = NODES) -> AbstractContextManager[Cluster]:
    """Return the named cluster, or one of our own, with as many simulated nodes."""
    return installed_cluster(there, provider, nodes=nodes, kwok_nodes=nodes)


@contextmanager
def _stage(cluster: Cluster) -> Iterator[tuple[OperatorProcess, str]]:
    """Yield a namespace and an operator of our own."""
    place = f"bench-{uuid.uuid4().hex[:6]}"
    with OperatorProcess(cluster, "--namespace", place, "--lease-name", place) as operator:
        cluster.kubectl("create", "namespace", place)
        try:
            yield operator, place
        finally:
            cluster.kubectl("delete", "namespace", place)


def _restart(cluster: Cluster, evidence: Evidence, namespace: str, name: str) -> Restart:
    """Let an agent crash once, and return the times of its restart."""
    script = f'[ "$RUNWATCHMAN_ATTEMPT" = 0 ] || {{ {UPTIME}; sleep 3; exit 0; }}; sleep 2; {UPTIME}; exit 1'
    apply(cluster, namespace, run_of(name, shell(script)))
    await_phase(cluster, namespace, name, "Completed", seconds=PATIENCE_SECONDS)
    first, second = (f"{name}-coder-r{attempt}" for attempt in range(2))
    history = evidence.history(namespace)
    died = _first(history, first, lambda pod: pod.stamp("terminated", "finishedAt"))
    works = _first(history, second, lambda pod: pod.stamp("running", "startedAt"))
    ended, begun = Pod(died).stamp("terminated", "finishedAt"), Pod(works).stamp("running", "startedAt")
    assert ended
    assert begun
    return Restart(
        _uptime(cluster, namespace, second) - _uptime(cluster, namespace, first),
        (begun - ended).total_seconds(),
        works.at - died.at,
        _first(history, first, lambda pod: pod.over).at - died.at,
        _first(history, second, lambda _: True).at - died.at,
        _first(history, second, lambda pod: pod.started).at - died.at,
    )


def _first(history: Sequence[Change], pod: str, told: Callable[[Pod], object]) -> Change:
    return next(change for change in history if change.kind == "pods" and change.name == pod and told(Pod(change)))


def _uptime(cluster: Cluster, namespace: str, pod: str) -> float:
    return float(cluster.kubectl("-n", namespace, "logs", pod))


def _writes_per_restart(cluster: Cluster, operator: OperatorProcess, namespace: str, count: int) -> Writes:
    """Return the additional writes of Runs that crash once; the reads are not counted."""
    calm = _writes_of(cluster, operator, namespace, [run_of(f"calm-{n}", shell("sleep 5")) for n in range(count)])
    crash = 'sleep 5; [ "$RUNWATCHMAN_ATTEMPT" = 1 ]'
    spent = _writes_of(cluster, operator, namespace, [run_of(f"crash-{n}", shell(crash)) for n in range(count)])
    spent.subtract(calm)
    return Counter({key: number for key, number in spent.items() if number})


def _writes_of(cluster: Cluster, operator: OperatorProcess, namespace: str, runs: list[JsonObject]) -> Writes:
    before = _written(operator)
    for run in runs:
        apply(cluster, namespace, run)
        await_phase(cluster, namespace, run["metadata"]["name"], "Completed", seconds=PATIENCE_SECONDS)
    wait_until(lambda: False, SETTLING_SECONDS)
    return _written(operator) - before


def _written(operator: OperatorProcess) -> Writes:
    """Return the operator's writes so far, by verb and resource; those to its Lease do not belong to a Run."""
    found: Writes = Counter()
    for family in text_string_to_metric_families(operator.probe("metrics", "metrics")[1]):
        for sample in family.samples:
            told = sample.labels
            if sample.name == "runwatchman_api_requests_total" and told["verb"] in WRITES and told["resource"] != "leases":
                found[told["verb"], told["resource"]] += int(sample.value)
    return found


def _idle_writes(cluster: Cluster, namespace: str, seconds: float) -> int:
    """Return the number of writes in an idle namespace."""
    apply(cluster, namespace, *(simulated_forever(f"run-{number}") for number in range(IDLE_RUNS)))
    await_that(lambda: _running(cluster, namespace) == IDLE_RUNS, "all Runs running")
    wait_until(lambda: False, SETTLING_SECONDS)
    before = cluster.writes(namespace, *OURS)
    wait_until(lambda: False, seconds, 1.0)
    return (cluster.writes(namespace, *OURS) - before).total()


def _running(cluster: Cluster, namespace: str) -> int:
    return sum(run.get("status", {}).get("phase") == "Running" for run in items(cluster, namespace, "runs"))


def _times(restarts: Sequence[Restart]) -> list[str]:
    rows = {
        "process ends -> process begins (kernel's clock)": [each.processes for each in restarts],
        "finishedAt -> startedAt (kubelet, whole seconds)": [each.stamps for each in restarts],
        "watch: terminated -> running": [each.watched for each in restarts],
        "watch: terminated -> phase Failed (the kubelet's part)": [each.phased for each in restarts],
        "watch: terminated -> successor created": [each.created for each in restarts],
        "watch: terminated -> successor's gate gone": [each.ungated for each in restarts],
    }
    head = [f"| first restart, {len(restarts)} times | median s | least | most |", "|---|---|---|---|"]
    return head + [f"| {name} | {median(found):.2f} | {min(found):.2f} | {max(found):.2f} |" for name, found in rows.items()]


def _table(spent: Writes, count: int) -> list[str]:
    rows = [f"| {verb} {resource} | {number / count:.1f} |" for (verb, resource), number in sorted(spent.items())]
    return ["| writes a restart | |", "|---|---|", *rows, f"| all | {spent.total() / count:.1f} |"]


if __name__ == "__main__":
    main()
