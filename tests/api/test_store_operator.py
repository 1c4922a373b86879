"""The operator with its state in a database, as users run it: it waits for its store, deletes old rows, and moves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, condition, items, run_of, simulated_forever, status


def rows(path: Path, query: str) -> list[Any]:
    """Query a database without the operator."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def names(path: Path) -> list[str]:
    return [row[0] for row in rows(path, "SELECT name FROM operator_run_states ORDER BY name")]


def runwatchman(cluster: Cluster, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a runwatchman command against a cluster."""
    env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    command = [sys.executable, "-m", "controller", *args, "--kubeconfig", str(cluster.kubeconfig)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_runs_whole_life_in_a_database(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The row exists as long as the Run, the ledger has the actions, and rows of deleted Runs are collected at start."""
    path, ledger = tmp_path / "states.db", tmp_path / "ledger.db"
    options = ("--store", f"sqlite:///{path}", "--ledger", f"sqlite:///{ledger}", "--namespace", namespace)
    with OperatorProcess(api_cluster, *options, "--lease-name", f"db-{namespace}") as operator:
        apply(api_cluster, namespace, run_of("goes"), run_of("vanishes"), simulated_forever("stays"))
        await_phase(api_cluster, namespace, "goes", "Completed")
        await_phase(api_cluster, namespace, "vanishes", "Completed")
        told = await_phase(api_cluster, namespace, "stays", "Running")
        assert told["storeID"].startswith("sql-")
        assert "operatorState" not in told
        assert names(path) == ["goes", "stays", "vanishes"]
        api_cluster.kubectl("-n", namespace, "delete", "run", "goes", "--timeout=60s")
        api_cluster.kubectl("-n", namespace, "delete", "pods", "-l", "runwatchman.dev/run=goes", "--wait=false")
        await_that(lambda: names(path) == ["stays", "vanishes"], "the row of the deleted Run to go")
        assert 'runwatchman_store_duration_seconds_count{operation="commit"}' in operator.probe("metrics", "metrics")[1]
        operator.stop(signal.SIGKILL)
        api_cluster.kubectl("-n", namespace, "delete", "run", "vanishes", "--wait=false")
        api_cluster.kubectl("-n", namespace, "delete", "pods", "-l", "runwatchman.dev/run=vanishes", "--wait=false")
        operator.start()
        await_that(lambda: names(path) == ["stays"], "the row of the vanished Run to go")
    assert len(items(api_cluster, namespace, "pods")) == 1
    found = rows(ledger, "SELECT DISTINCT run, reason FROM runwatchman_decisions WHERE run = 'stays'")
    assert ("stays", "Starting") in found


def test_it_waits_unready_for_its_volume(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Without its folder the operator runs but is not ready and gives the reason, acts on nothing, and works as soon as it can."""
    volume = tmp_path / "volume"
    options = ("--store", f"sqlite:///{volume}/states.db", "--namespace", namespace, "--lease-name", f"wait-{namespace}")
    operator = OperatorProcess(api_cluster, *options)
    operator.start_without_waiting()
    try:
        await_that(lambda: "create its folder" in operator.probe("health", "readyz")[1], "the reason in /readyz")
        assert operator.probe("health", "livez")[0] == 200
        apply(api_cluster, namespace, run_of("waits"))
        assert "[-]store failed" in operator.probe("health", "readyz")[1]
        assert status(api_cluster, namespace, "waits") == {}
        volume.mkdir()
        await_that(operator.ready, "the operator to be ready")
        await_phase(api_cluster, namespace, "waits", "Completed")
    finally:
        assert operator.stop() == 0


def test_told_to_stop_while_it_waits(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """A missing store does not keep the operator from ending at once with success."""
    options = ("--store", f"sqlite:///{tmp_path}/no/states.db", "--namespace", namespace, "--lease-name", f"stop-{namespace}")
    operator = OperatorProcess(api_cluster, *options)
    operator.start_without_waiting()
    await_that(lambda: "create its folder" in operator.probe("health", "readyz")[1], "the reason in /readyz")
    assert operator.stop() == 0


def test_migrating_under_a_running_run(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The command is refused while an operator runs; then every Run continues in the new store without a new pod, and the old
    one refuses.
    """
    lease, url = f"move-{namespace}", f"sqlite:///{tmp_path}/states.db"
    options = ("--namespace", namespace, "--lease-name", lease)
    move = ("store", "migrate", *options, "--from", "status", "--to", url)
    with OperatorProcess(api_cluster, *options) as operator:
        apply(api_cluster, namespace, simulated_forever("busy"))
        await_phase(api_cluster, namespace, "busy", "Running")
        refused = runwatchman(api_cluster, *move, "--lease-timeout", "1")
        assert refused.returncode == 1
        assert "an operator is running; scale it down" in refused.stderr
        operator.stop()
    pods = [pod["metadata"]["uid"] for pod in items(api_cluster, namespace, "pods")]
    moved = runwatchman(api_cluster, *move)
    assert moved.stdout == f"[1/1] {namespace}/busy: moved: coder at attempt 0\n1 moved, 0 skipped, 0 failed\n"
    with OperatorProcess(api_cluster, *options):
        found = await_phase(api_cluster, namespace, "busy", "Blocked")
        assert "StoreMismatch" in found["message"]
    with OperatorProcess(api_cluster, *options, "--store", url):
        found = await_phase(api_cluster, namespace, "busy", "Running")
        assert condition(found, "Healthy") == ("True", "AllAgentsHealthy")
    assert [pod["metadata"]["uid"] for pod in items(api_cluster, namespace, "pods")] == pods


def test_pods_are_let_go_after_a_move(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Pods that a drain deleted under the old store, before the move or during it, are released under the new one; so are later
    ones.
    """
    url = f"sqlite:///{tmp_path}/states.db"
    options = ("--namespace", namespace, "--lease-name", f"drain-{namespace}")
    with OperatorProcess(api_cluster, *options):
        apply(api_cluster, namespace, run_of("early"), run_of("late"), simulated_forever("busy"), simulated_forever("amid"))
        for run in ("early", "late"):
            await_phase(api_cluster, namespace, run, "Completed")
        for run in ("busy", "amid"):
            await_phase(api_cluster, namespace, run, "Running")
    api_cluster.kubectl("-n", namespace, "delete", "pod", "early-coder-r0", "amid-coder-r0", "--wait=false")
    assert runwatchman(api_cluster, "store", "migrate", *options, "--from", "status", "--to", url).returncode == 0
    with OperatorProcess(api_cluster, *options, "--store", url):
        await_that(lambda: pod_names(api_cluster, namespace) == ["amid-coder-r1", "busy-coder-r0", "late-coder-r0"], "early, amid")
        api_cluster.kubectl("-n", namespace, "delete", "pod", "late-coder-r0", "busy-coder-r0", "--timeout=60s")
        await_that(lambda: pod_names(api_cluster, namespace) == ["amid-coder-r1", "busy-coder-r1"], "late, busy")
        assert [status(api_cluster, namespace, run)["restarts"] for run in ("amid", "busy")] == [0, 0]


def test_a_namespace_goes_whose_runs_are_kept_elsewhere(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Under another store a deleted pod is held, since its end is on no record; it is released with its Run or namespace."""
    options = ("--namespace", namespace, "--lease-name", f"foreign-{namespace}")
    with OperatorProcess(api_cluster, *options):
        apply(api_cluster, namespace, run_of("done"), run_of("gone"), simulated_forever("busy"))
        for run in ("done", "gone"):
            await_phase(api_cluster, namespace, run, "Completed")
        await_phase(api_cluster, namespace, "busy", "Running")
    with OperatorProcess(api_cluster, *options, "--store", f"sqlite:///{tmp_path}/states.db"):
        api_cluster.kubectl("-n", namespace, "delete", "run", "gone", "--timeout=60s")
        await_that(lambda: pod_names(api_cluster, namespace) == ["busy-coder-r0", "done-coder-r0"], "the deleted Run's pod to go")
        api_cluster.kubectl("-n", namespace, "delete", "pod", "done-coder-r0", "--wait=false")
        await_phase(api_cluster, namespace, "busy", "Blocked")
        await_phase(api_cluster, namespace, "done", "Blocked")
        assert pod_names(api_cluster, namespace) == ["busy-coder-r0", "done-coder-r0"]
        api_cluster.kubectl("delete", "namespace", namespace, "--timeout=90s")


def pod_names(cluster: Cluster, namespace: str) -> list[str]:
    """Return the names of the existing pods."""
    return sorted(pod["metadata"]["name"] for pod in items(cluster, namespace, "pods"))
