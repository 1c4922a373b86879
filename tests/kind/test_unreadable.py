"""A Run that Python cannot decode, next to others, on the chart's operator with its memory limit."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import Cluster
from tests.hostile import deep_run, post
from tests.kind.installed import Installed
from tests.kind.test_grace import started_again
from tests.support import apply, await_phase, await_that, run_of, shell


def test_a_deep_run_stops_nobody(kind_cluster: Cluster, kind_operator: Installed, namespace: str, tmp_path: Path) -> None:
    """It is Blocked as Unreadable; the other Run completes; an operator that starts with it works, and is not restarted."""
    before = started_again(kind_operator)
    post(kind_cluster, namespace, "runs", deep_run("deep"), tmp_path / "deep.json")
    reason = ("-n", namespace, "get", "run", "deep", "-o", "jsonpath={.status.phase} {.status.reason}")
    await_that(lambda: kind_cluster.kubectl(*reason) == "Blocked Unreadable", "the Run to be Blocked")
    apply(kind_cluster, namespace, run_of("beside", shell("exit 0")))
    await_phase(kind_cluster, namespace, "beside", "Completed")
    assert started_again(kind_operator) == before
    kind_operator.stop()
    kind_operator.start()
    apply(kind_cluster, namespace, run_of("afterwards", shell("exit 0")))
    await_phase(kind_cluster, namespace, "afterwards", "Completed")
    assert started_again(kind_operator) == before + 1, "by the stop above, and by nothing else"
    kind_cluster.kubectl("-n", namespace, "delete", "run", "deep", "--timeout=60s")
