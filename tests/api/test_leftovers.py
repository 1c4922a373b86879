"""The next run removes the `api` cluster and the operators that a killed run has left."""

from __future__ import annotations

import json
import uuid

from tests.cluster import Cluster, lifecycle
from tests.cluster.processes import Record, start_time
from tests.cluster.settings import runtime_dir
from tests.crash_run import killed

SCRIPT = """
import signal
from tests.cluster import lifecycle
from tests.support import OperatorProcess
OperatorProcess(lifecycle.up("api", name={name!r})).start_without_waiting()
signal.pause()
"""


def test_the_next_run_ends_what_a_killed_one_left(api_cluster: Cluster) -> None:
    """The operator survives its run's SIGKILL; it is ended with the cluster's files when the next run begins, and no other
    operator is.
    """
    name = f"left-{uuid.uuid4().hex[:6]}"
    record = Record(runtime_dir() / name / "processes")

    def operators() -> list[dict[str, str]]:
        return [entry for entry in record.entries() if entry["name"] == "operator"]

    killed(SCRIPT.format(name=name), operators)
    [operator] = operators()
    assert start_time(int(operator["pid"])) == operator["start"], "it was to survive: else this shows nothing"
    owner = json.loads((runtime_dir() / name / "cluster.json").read_text())["owner"]
    assert start_time(owner["pid"]) != owner["start"]
    lifecycle.clean_up_after_the_dead()
    assert start_time(int(operator["pid"])) != operator["start"]
    assert name not in lifecycle.clusters()
    assert not record.path.parent.exists()
    assert api_cluster.kubectl("get", "--raw", "/readyz") == "ok"
