"""The cost of a hanging advisor for other Runs: the time until a Run's pod is created, with and without Runs that wait for it.

scripts/run python -m tests.bench.advisor [--count N] [--hanging N] [--rounds N]
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import click

from tests.bench.restarts import bench_cluster
from tests.chaos.evidence import Evidence, watching
from tests.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.scripted_advisor import AGREES, ScriptedAdvisor
from tests.support import OperatorProcess, apply, await_that, failing, items, policy_of, run_of, simulated

TIMEOUT_SECONDS = 300
PATIENCE_SECONDS = 300.0
PACE_SECONDS = 0.02


@click.command()
@click.option("--count", default=100, show_default=True, help="Runs whose start is measured, each round.")
@click.option("--hanging", default=60, show_default=True, help="Runs that wait for an advisor that hangs.")
@click.option("--rounds", default=2, show_default=True, help="Rounds, each without and with an advisor that hangs.")
def main(count: int, hanging: int, rounds: int) -> None:
    """Measure on one control plane with simulated nodes, in turn."""
    found: dict[str, list[float]] = {"nobody hangs": [], f"{hanging} Runs wait for a hanging advisor": []}
    with bench_cluster("api", None) as cluster, watching(cluster) as evidence:
        for _ in range(rounds):
            for name, stuck in zip(found, (0, hanging), strict=True):
                found[name] += _round(cluster, evidence, count, stuck)
    click.echo("| Run created -> its pod created, s | n | median | p99 | most |\n|---|---|---|---|---|")
    for name, times in found.items():
        click.echo(f"| {name} | {len(times)} | {median(times):.3f} | {quantiles(times, n=100)[98]:.3f} | {max(times):.3f} |")


def _round(cluster: Cluster, evidence: Evidence, count: int, stuck: int) -> list[float]:
    with _stage(cluster, stuck) as namespace:
        for number in range(count):
            apply(cluster, namespace, run_of(f"run-{number}", simulated("complete")))
            wait_until(lambda: False, PACE_SECONDS)
        await_that(lambda: len(_starts(evidence, namespace)) == count, "a pod of each", PATIENCE_SECONDS)
        return list(_starts(evidence, namespace).values())


@contextmanager
def _stage(cluster: Cluster, stuck: int) -> Iterator[str]:
    """Yield a namespace, an operator, and the Runs that wait for the advisor."""
    place = f"bench-{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        advisor = ScriptedAdvisor(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        advisor.say({f"stuck-{number}": {**AGREES, "hang": True} for number in range(stuck)})
        options = ("--adapter=local", "--adapter-commands", str(advisor.commands())) if stuck else ()
        stack.enter_context(OperatorProcess(cluster, "--namespace", place, "--lease-name", place, *options))
        cluster.kubectl("create", "namespace", place)
        stack.callback(cluster.kubectl, "delete", "namespace", place)
        apply(cluster, place, policy_of({"llm": {"mode": "Auto", "timeoutSeconds": TIMEOUT_SECONDS}}))
        if stuck:
            apply(cluster, place, *(failing(f"stuck-{number}") for number in range(stuck)))
            await_that(lambda: _consulting(cluster, place) == stuck, "all that wait", PATIENCE_SECONDS)
        yield place


def _consulting(cluster: Cluster, namespace: str) -> int:
    return sum(run.get("status", {}).get("reason") == "Consulting" for run in items(cluster, namespace, "runs"))


def _starts(evidence: Evidence, namespace: str) -> dict[str, float]:
    """Return, by Run, the time until its first pod was seen."""
    born: dict[tuple[str, str], float] = {}
    for change in evidence.history(namespace):
        born.setdefault((change.kind, change.name), change.at)
    runs = {name: at for (kind, name), at in born.items() if kind == "runs" and name.startswith("run-")}
    pods = {name: born.get(("pods", f"{name}-coder-r0")) for name in runs}
    return {name: pod - runs[name] for name, pod in pods.items() if pod is not None}


if __name__ == "__main__":
    main()
