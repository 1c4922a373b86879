"""The policy file with an operator of its own, since two with different policies would contend for the same Runs."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, simulated_forever, status


def test_policy_file_is_read_again(api_cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """A changed policy file applies to its Runs; a broken edit keeps the last good policy, and the metric shows it."""
    path = tmp_path / "policy.json"
    path.write_text('{"operator": {"restart_budget": 1}}')
    with OperatorProcess(api_cluster, "--policy-file", str(path)) as operator:
        apply(api_cluster, namespace, simulated_forever("ruled"))
        first = await_phase(api_cluster, namespace, "ruled", "Running")["policy"]
        assert first["name"] == "operator-policy-file"
        path.write_text('{"operator": {"restart_budget": -1}}')
        await_that(lambda: "runwatchman_policy_file_ok 0.0" in operator.probe("metrics", "metrics")[1], "the metric")
        assert status(api_cluster, namespace, "ruled")["policy"] == first
        path.write_text('{"operator": {"restart_budget": 2}}')
        await_that(lambda: status(api_cluster, namespace, "ruled")["policy"]["digest"] != first["digest"], "the new policy")
