"""The latency of a question on real kubelets: from `rw ask` to its escalation, and from the answer back to the agent.

scripts/run python -m tests.bench.questions [--count N] [--cluster NAME]
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click

from tests.bench.restarts import UPTIME, bench_cluster
from tests.cluster import Cluster
from tests.reporter_image import load_reporter_image
from tests.support import OperatorProcess, answer, apply, await_phase, items, run_of, shell

SCRIPT = f'{UPTIME}; a=$(rw ask --wait 600 "Go on?"); {UPTIME}; rw done'
PATIENCE_SECONDS = 300.0


@click.command()
@click.option("--count", default=10, show_default=True, help="Questions to measure, one after the other.")
@click.option("--cluster", "there", help="A kind cluster that `python -m tests.cluster up` has left; else one is made.")
def main(count: int, there: str | None) -> None:
    """Measure questions on a kind cluster."""
    with bench_cluster("kind", there) as cluster, _stage(cluster) as (namespace, opened):
        times = [_question(cluster, namespace, opened, f"ask-{number}") for number in range(count)]
    click.echo(_line("rw ask to escalation", [asked for asked, _ in times]))
    click.echo(_line("answer to the agent's return", [told for _, told in times]))


@contextmanager
def _stage(cluster: Cluster) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield a namespace, an operator with reporters of the default interval, and a watch of the escalations."""
    place = f"bench-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", place)
    options = ("--namespace", place, "--lease-name", place, "--reporter-image", load_reporter_image(cluster))
    watch = [
        str(cluster.kubectl_path),
        "--kubeconfig",
        str(cluster.kubeconfig),
        "-n",
        place,
        "get",
        "escalations",
        "-w",
        "-o",
        "name",
    ]
    with OperatorProcess(cluster, *options), subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as opened:
        try:
            assert opened.stdout
            yield place, iter(opened.stdout)
        finally:
            opened.terminate()
            cluster.kubectl("delete", "namespace", place)


def _question(cluster: Cluster, namespace: str, opened: Iterator[str], run: str) -> tuple[float, float]:
    """Return the seconds from the question to the escalation, and from the answer to the agent."""
    apply(cluster, namespace, run_of(run, shell(SCRIPT)))
    name = next(line.strip() for line in opened if line.strip().rpartition("/")[2].startswith(f"{run}-"))
    seen = _uptime()
    await_phase(cluster, namespace, run, "AwaitingGuidance", seconds=PATIENCE_SECONDS)
    answer(cluster, namespace, name.rpartition("/")[2], "Answer", answer="yes")
    answered = _uptime()
    await_phase(cluster, namespace, run, "Completed", seconds=PATIENCE_SECONDS)
    asked, told = map(float, cluster.kubectl("-n", namespace, "logs", f"{run}-coder-r0", "-c", "agent").split()[:2])
    assert len(items(cluster, namespace, "escalations")) >= 1
    return seen - asked, told - answered


def _uptime() -> float:
    """Return the kernel's clock, which the nodes of a kind cluster share with us."""
    return float(Path("/proc/uptime").read_text().split()[0])


def _line(what: str, seconds: Sequence[float]) -> str:
    return f"{what}: median {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), n={len(seconds)}"


if __name__ == "__main__":
    main()
