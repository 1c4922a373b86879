"""The operator against a real API server with simulated nodes: its writes, its waits, and its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from controller.api.names import API_VERSION
from tests.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    condition,
    get,
    items,
    run_of,
    simulated_forever,
    status,
)

OURS = ("runwatchman/", "kopf/", "Python")
HUNDRED = 100
LONG_SECONDS = 3600
MOST_OF_A_PROVIDER = 2
"""Writes of a provider's status while one Run works: the first, and one of its numbers of agents."""
SETTLING_SECONDS = 5.0
"""Longer than the delay of a status."""
IDLE_SECONDS = float(os.environ.get("RUNWATCHMAN_IDLE_SECONDS", "20"))
"""How long an idle operator is watched for writes; the figure of the release notes is taken with 300."""


@pytest.mark.parametrize("provider", [None, "shared"])
def test_three_writes_for_a_healthy_run(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str, provider: str | None
) -> None:
    """From apply to Completed: create, ungate, state and status; and one Event. A provider costs the Run no write: its own status
    is written when it is new, and then at most once a minute.
    """
    limits = {"apiVersion": API_VERSION, "kind": "Provider", "metadata": {"name": "shared"}, "spec": {"maxActiveAgents": 5}}
    apply(api_cluster, namespace, *([limits] if provider else []), run_of("three", {"provider": provider} if provider else {}))
    await_phase(api_cluster, namespace, "three", "Completed")
    await_that(lambda: ("create", "events") in api_cluster.writes(namespace, *OURS), "the Event")
    spent = dict(api_cluster.writes(namespace, *OURS))
    assert spent.pop(("update", "providers/status"), 0) <= (MOST_OF_A_PROVIDER if provider else 0)
    assert spent == {("create", "pods"): 1, ("update", "runs/status"): 1, ("patch", "pods"): 1, ("create", "events"): 1}


def test_one_write_lets_a_finished_pod_go(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """Deleting the pod of a completed Run costs its release and no other write; the status stays."""
    apply(api_cluster, namespace, run_of("tidy"))
    told = await_phase(api_cluster, namespace, "tidy", "Completed")
    await_that(lambda: ("create", "events") in api_cluster.writes(namespace, *OURS), "the Event")
    before = api_cluster.writes(namespace, *OURS)
    api_cluster.kubectl("-n", namespace, "delete", "pod", "tidy-coder-r0", "--timeout=60s")
    assert not wait_until(lambda: (api_cluster.writes(namespace, *OURS) - before).total() > 1, SETTLING_SECONDS)
    assert api_cluster.writes(namespace, *OURS) - before == {("patch", "pods"): 1}
    assert status(api_cluster, namespace, "tidy")["plan"] == told["plan"]


def test_a_hundred_at_once_then_silence(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """A hundred Runs complete, a hundred others stay; then the operator writes nothing to Runs, pods or Events."""
    apply(
        api_cluster,
        namespace,
        *(run_of(f"run-{n}") for n in range(HUNDRED)),
        *(simulated_forever(f"stay-{n}") for n in range(HUNDRED)),
    )

    def settled() -> bool:
        phases = [run.get("status", {}).get("phase") for run in items(api_cluster, namespace, "runs")]
        return phases.count("Completed") == HUNDRED and phases.count("Running") == HUNDRED

    await_that(settled, "a hundred Runs to complete and a hundred to run", 180)
    before = api_cluster.writes(namespace, *OURS)
    assert not wait_until(lambda: api_cluster.writes(namespace, *OURS) != before, IDLE_SECONDS, 1.0)


def test_pod_of_the_same_name_blocks(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """A foreign pod is neither adopted nor changed; after its deletion the Run continues."""
    foreign = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine-coder-r0"}}
    foreign["spec"] = {"containers": [{"name": "c", "image": "x"}], "schedulingGates": [{"name": "runwatchman.dev/admitted"}]}
    apply(api_cluster, namespace, foreign, run_of("mine"))
    found = await_phase(api_cluster, namespace, "mine", "Blocked")
    assert condition(found, "Healthy") == ("False", "NameTaken")
    assert "mine-coder-r0" in found["message"]
    assert get(api_cluster, namespace, "pod", "mine-coder-r0")["spec"]["schedulingGates"]
    api_cluster.kubectl("-n", namespace, "delete", "pod", "mine-coder-r0")
    await_phase(api_cluster, namespace, "mine", "Completed")


def test_quota_is_told_and_waited_for(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """The status shows a quota's refusal in the API server's words."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    apply(api_cluster, namespace, quota)
    await_that(lambda: get(api_cluster, namespace, "resourcequota", "none").get("status"), "the quota to be in force")
    apply(api_cluster, namespace, run_of("poor"))
    found = await_that(lambda: (s := status(api_cluster, namespace, "poor")).get("reason") == "PodRefused" and s, "PodRefused")
    assert found["phase"] == "Pending"
    assert "exceeded quota" in found["message"]


def test_policies(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """A Run waits for the policy it names and uses it once it exists; without a name it uses the namespace's default."""
    apply(api_cluster, namespace, run_of("waits", policyRef={"name": "strict"}))
    found = await_that(lambda: (s := status(api_cluster, namespace, "waits")).get("reason") == "PolicyNotFound" and s, "the wait")
    assert condition(found, "PolicyResolved") == ("False", "PolicyNotFound")
    for name in ("strict", "default"):
        apply(
            api_cluster,
            namespace,
            {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "RunPolicy", "metadata": {"name": name}, "spec": {}},
        )
    assert await_phase(api_cluster, namespace, "waits", "Completed")["policy"]["name"] == "strict"
    await_that(lambda: get(api_cluster, namespace, "runpolicy", "default"), "the default policy")
    apply(api_cluster, namespace, run_of("plain"))
    assert await_phase(api_cluster, namespace, "plain", "Completed")["policy"]["name"] == "default"


def test_refused_template_is_blocked_and_stops_nobody(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """A wrong Run is Blocked with the path and a Warning; other Runs complete."""
    bad = {"template": {"spec": {"hostNetwork": True, "containers": [{"name": "a", "image": "x"}]}}}
    apply(api_cluster, namespace, run_of("bad", bad), run_of("good"))
    found = await_phase(api_cluster, namespace, "bad", "Blocked")
    assert "spec.agents[0].template.spec.hostNetwork" in found["message"]
    await_phase(api_cluster, namespace, "good", "Completed")
    assert not [pod for pod in items(api_cluster, namespace, "pods") if pod["metadata"]["name"].startswith("bad")]


def test_endpoints(api_cluster: Cluster, api_operator: OperatorProcess) -> None:
    """Liveness, readiness with its checks by name, and metrics with the standard series."""
    assert api_operator.probe("health", "livez") == (200, "[+]loop ok\nok\n")
    code, body = api_operator.probe("health", "readyz")
    assert (code, body) == (200, "[+]lease ok\n[+]store ok\n[+]caches ok\n[+]watches ok\nok\n")
    _, metrics = api_operator.probe("metrics", "metrics")
    for series in (
        "runwatchman_leader 1.0",
        "runwatchman_build_info{",
        'runwatchman_api_requests_total{code="201"',
        "runwatchman_workqueue_depth",
    ):
        assert series in metrics


def test_two_operators_one_leader_and_a_quick_handover(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str, tmp_path: Path
) -> None:
    """A second operator of the same Lease is ready, but does not lead; on SIGTERM the leader exits 0 and hands over at once."""
    options = ("--lease-name", f"two-{namespace}", "--namespace", namespace)
    with OperatorProcess(api_cluster, *options) as first:
        second = OperatorProcess(api_cluster, *options)
        second.log = tmp_path / "second.log"
        try:
            second.start_without_waiting()
            await_that(second.ready, "the second to stand by")
            assert "runwatchman_leader 0.0" in second.probe("metrics", "metrics")[1]
            assert first.stop(signal.SIGTERM) == 0
            await_that(lambda: "runwatchman_leader 1.0" in second.probe("metrics", "metrics")[1], "the second to lead")
            await_that(second.ready, "the second to work")
        finally:
            assert second.stop(signal.SIGTERM) == 0


def test_behind_a_dead_leader_nobody_is_ready(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str, tmp_path: Path
) -> None:
    """A Lease without renewals makes no standby: a lone operator after a crash is ready when it leads, not before."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": f"dead-{namespace}"}}
    lease["spec"] = {"holderIdentity": "a-dead-one", "leaseDurationSeconds": LONG_SECONDS}
    apply(api_cluster, "default", lease)
    operator = OperatorProcess(api_cluster, "--lease-name", f"dead-{namespace}", "--namespace", namespace)
    try:
        operator.start_without_waiting()
        await_that(lambda: operator.probe("health", "livez")[0] == 200, "the operator to be up")
        assert not wait_until(operator.ready, SETTLING_SECONDS)
        assert "no process is known to renew it" in operator.probe("health", "readyz")[1]
        api_cluster.kubectl("-n", "default", "delete", "lease", f"dead-{namespace}")
        await_that(operator.ready, "the operator to lead")
        assert "runwatchman_leader 1.0" in operator.probe("metrics", "metrics")[1]
    finally:
        assert operator.stop(signal.SIGTERM) == 0


def test_lost_lease_ends_the_process(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """When another takes the Lease, the operator exits with an error that names the reason."""
    name = f"lost-{namespace}"
    with OperatorProcess(api_cluster, "--lease-name", name, "--namespace", namespace) as operator:
        patch = '{"spec":{"holderIdentity":"somebody-else","leaseDurationSeconds":3600}}'
        api_cluster.kubectl("-n", "default", "patch", "lease", name, "--type=merge", "-p", patch)
        await_that(operator.ended, "the operator's end")
        assert operator.stop() == 1
        assert f"lease default/{name} lost" in operator.log.read_text()


def test_clear_words_without_a_cluster(tmp_path: Path) -> None:
    """A kubeconfig without a reachable cluster gives one line, not a traceback."""
    import subprocess
    import sys

    empty = tmp_path / "config"
    empty.write_text("")
    command = [
        sys.executable,
        "-m",
        "controller",
        "operator",
        "--kubeconfig",
        str(empty),
        "--metrics-port",
        "-1",
        "--health-port",
        "-1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no credentials for an API server" in done.stderr
    assert "Traceback" not in done.stderr
