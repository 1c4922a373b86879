"""The cost of a ledger: CPU and passes of the operator without one, and with each detail; rows and bytes for each Run.

scripts/run python -m tests.bench.ledger [--count N] [--reports N] [--rounds N]
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

import click
from prometheus_client.parser import text_string_to_metric_families

from controller.ledger.tables import decisions
from tests.bench.procfs import KIB, usage
from tests.bench.restarts import bench_cluster
from tests.bench.scale.reports import Reports
from tests.bench.wire import session
from tests.chaos.evidence import Change
from tests.chaos.pods import Pod
from tests.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.support import OperatorProcess, apply, await_that, items, run_of, simulated_forever

DETAILS = ("off", "actions", "all")
SETTLING_SECONDS = 4.0
"""Longer than the delay of a status, and than the ledger needs to write what waits."""
INTERVAL_SECONDS = 1
PATIENCE_SECONDS = 600.0
MILLI = 1000
SHARE = 4
"""Of so many Runs one reports."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One turn: seconds until all Runs completed; milliseconds for each Run, pass and report; rows and KiB for each Run."""

    wall: float
    cpu_run: float
    work: float
    queue: float
    cpu_report: float
    rows_run: float
    kib_run: float
    rows_reporting: float


@click.command(context_settings={"show_default": True})
@click.option("--count", default=200, help="Runs that complete after a second, all at once; a quarter as many report.")
@click.option("--reports", default=20, help="Reports of each reporting agent.")
@click.option("--rounds", default=3, help="In each every detail has its turn.")
def main(count: int, reports: int, rounds: int) -> None:
    """Measure on one control plane with simulated nodes, in turn."""
    found: dict[str, list[Cost]] = {detail: [] for detail in DETAILS}
    with bench_cluster("api", None) as cluster:
        for number in range(rounds):
            for detail in (*DETAILS[number % len(DETAILS) :], *DETAILS[: number % len(DETAILS)]):
                found[detail].append(take_turn(cluster, detail, count, reports))
                click.echo(f"round {number + 1}, {detail}: {found[detail][-1]}", err=True)
    names = [each.name for each in fields(Cost)]
    click.echo(f"| ledger | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for detail, costs in found.items():
        shown = [[getattr(cost, name) for cost in costs] for name in names]
        click.echo(f"| {detail} | {' | '.join(f'{median(each):.2f} ({min(each):.2f}-{max(each):.2f})' for each in shown)} |")


def take_turn(cluster: Cluster, detail: str, count: int, reports: int) -> Cost:
    """Measure an operator with one detail, in a namespace of its own."""
    with _stage(cluster, detail) as (operator, namespace, path):
        apply(cluster, namespace, run_of("warm"))
        _await_phase(cluster, namespace, "Completed", 1)
        before, began = usage(operator.pid).cpu, time.monotonic()
        apply(cluster, namespace, *(run_of(f"run-{number}") for number in range(count)))
        _await_phase(cluster, namespace, "Completed", count + 1)
        wall = time.monotonic() - began
        wait_until(lambda: False, SETTLING_SECONDS)
        finished, passes = usage(operator.pid).cpu, _metrics(operator)
        reporting = max(1, count // SHARE)
        apply(cluster, namespace, *(simulated_forever(f"stay-{number}") for number in range(reporting)))
        _await_phase(cluster, namespace, "Running", reporting)
        wait_until(lambda: False, SETTLING_SECONDS)
        quiet = usage(operator.pid).cpu
        written = asyncio.run(_report(cluster, namespace, reports))
        wait_until(lambda: False, SETTLING_SECONDS)
        cpu_report = (usage(operator.pid).cpu - quiet) / written
        rows, kib = _rows(path, "run-%")
        return Cost(
            wall=wall,
            cpu_run=(finished - before) * MILLI / count,
            work=passes["work_duration"] * MILLI,
            queue=passes["latency"] * MILLI,
            cpu_report=cpu_report * MILLI,
            rows_run=rows / count,
            kib_run=kib / count,
            rows_reporting=_rows(path, "stay-%")[0] / reporting,
        )


@contextmanager
def _stage(cluster: Cluster, detail: str) -> Iterator[tuple[OperatorProcess, str, Path]]:
    """Yield an operator, its namespace, and the path of its ledger."""
    place = f"bench-{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.db"
        options = () if detail == "off" else ("--ledger", f"sqlite:///{path}", "--ledger-detail", detail)
        cluster.kubectl("create", "namespace", place)
        stack.callback(cluster.kubectl, "delete", "namespace", place, "--wait=false")
        yield stack.enter_context(OperatorProcess(cluster, "--namespace", place, "--lease-name", place, *options)), place, path


def _await_phase(cluster: Cluster, namespace: str, phase: str, count: int) -> None:
    def there() -> bool:
        found = [run.get("status", {}).get("phase") for run in items(cluster, namespace, "runs")]
        return found.count(phase) == count

    await_that(there, f"{count} Runs to be {phase}", PATIENCE_SECONDS)


async def _report(cluster: Cluster, namespace: str, count: int) -> int:
    """Write reports of all running pods; return their number."""
    running = [pod for pod in items(cluster, namespace, "pods") if pod["status"]["phase"] == "Running"]
    async with session(cluster.kubeconfig) as http:
        reports = Reports(http, namespace, INTERVAL_SECONDS)
        await reports.begin(Pod(Change(0, 0.0, "pods", False, pod)) for pod in running)
        return int((await reports.keep_on(count * INTERVAL_SECONDS))["objects"])


def _metrics(operator: OperatorProcess) -> dict[str, float]:
    """Return the mean duration of a pass, and of its wait for a worker, in seconds."""
    families = text_string_to_metric_families(operator.probe("metrics", "metrics")[1])
    found = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
    names = {kind: f"runwatchman_workqueue_{kind}_seconds" for kind in ("work_duration", "latency")}
    return {kind: found[f"{name}_sum"] / found[f"{name}_count"] for kind, name in names.items()}


def _rows(path: Path, runs: str) -> tuple[int, float]:
    """Return the number of rows of some Runs, and their KiB as the file has them."""
    if not path.exists():
        return 0, 0.0
    query = f"SELECT count(*), coalesce(sum(length(snapshot) + length(plan) + length(outcome)), 0) FROM {decisions.name}"  # noqa: S608
    with closing(sqlite3.connect(path)) as connection:
        rows, size = connection.execute(f"{query} WHERE run LIKE ?", (runs,)).fetchone()
    return int(rows), size / KIB


if __name__ == "__main__":
    main()
