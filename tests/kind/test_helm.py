"""From `helm install` to a finished Run, and the removal, on a cluster of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chart.helm import CHART, INSTALL_TIMEOUT, NAMESPACE, RELEASE, HelmError, helm
from tests.chart.helm import install as helm_install
from tests.cluster import Cluster
from tests.kind.conftest import TEAM
from tests.kind.installed import told
from tests.support import answer, apply, await_phase, await_that, condition, get, items, pods_of, run_of, shell

OFTEN = "--set=reporter.intervalSeconds=5"
HELLO = '[ $RUNWATCHMAN_ATTEMPT -gt 0 ] || exit 1; rw progress "at work"; rw done "shipped"'


def on(cluster: Cluster, home: Path, *arguments: str) -> str:
    """Run helm on a cluster; a failure includes the log lines of the pods."""
    with told(cluster):
        return helm(*arguments, "--namespace", NAMESPACE, home=home, kubeconfig=cluster.kubeconfig)


def install(cluster: Cluster, home: Path, *options: str, chart: Path = CHART) -> str:
    """Install or upgrade the release and wait until it is ready; a failure includes the log lines of the pods."""
    with told(cluster):
        return helm_install(cluster.kubeconfig, home, OFTEN, *options, chart=chart)


def test_life(fresh: Cluster, tmp_path: Path) -> None:
    """Install, a Run that crashes once and completes, helm test, uninstall while an agent works: no object is stuck, CRDs and Runs
    with their counts stay.

    A second install continues both Runs, including the agent that still works.
    """
    assert "helm test" in install(fresh, tmp_path)
    apply(fresh, TEAM, run_of("hello", shell(HELLO)))
    done = await_phase(fresh, TEAM, "hello", "Completed")
    assert (done["restarts"], condition(done, "Succeeded")[0]) == (1, "True")
    assert "Succeeded" in on(fresh, tmp_path, "test", RELEASE)

    apply(fresh, TEAM, run_of("left", shell('rw ask --wait 600 "Go on?" yes; rw done "shipped"')))
    await_phase(fresh, TEAM, "left", "AwaitingGuidance")

    on(fresh, tmp_path, "uninstall", RELEASE, "--wait", "--timeout", INSTALL_TIMEOUT)
    (working,) = pods_of(fresh, TEAM, "left-coder").values()
    assert working["status"]["phase"] == "Running"
    assert [pod["metadata"]["name"] for pod in items(fresh, TEAM, "pods") if "finalizers" in pod["metadata"]] == []
    assert "runs.runwatchman.dev" in fresh.kubectl("get", "crd", "-o", "name")
    ours = "clusterroles,clusterrolebindings,validatingadmissionpolicies"
    assert fresh.kubectl("get", ours, "-l", "app.kubernetes.io/part-of=runwatchman", "-o", "name") == ""
    await_that(lambda: items(fresh, NAMESPACE, "pods") == [], "the operator's pods to be deleted")
    assert {run["metadata"]["name"]: run["status"]["restarts"] for run in items(fresh, TEAM, "runs")} == {"hello": 1, "left": 0}

    install(fresh, tmp_path)
    assert await_phase(fresh, TEAM, "hello", "Completed")["restarts"] == 1
    say_yes(fresh, "left")
    assert await_phase(fresh, TEAM, "left", "Completed")["restarts"] == 0
    (same,) = pods_of(fresh, TEAM, "left-coder").values()
    assert same["metadata"]["uid"] == working["metadata"]["uid"]


def test_upgrade_and_failover_leave_a_run_alone(fresh: Cluster, tmp_path: Path) -> None:
    """An upgrade from one operator to two, then the end of the leader, neither affect a working agent nor charge a restart; the
    standby finishes the Run.
    """
    install(fresh, tmp_path)
    apply(fresh, TEAM, run_of("long", shell('rw ask --wait 600 "Go on?" yes; rw done "shipped"')))
    await_phase(fresh, TEAM, "long", "AwaitingGuidance")
    (before,) = pods_of(fresh, TEAM, "long-coder").values()

    install(fresh, tmp_path, "--set=replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1")
    leader = await_that(lambda: leader_of(fresh), "a leader")
    fresh.kubectl("-n", NAMESPACE, "delete", "pod", leader, "--grace-period=0", "--force")
    await_that(lambda: leader_of(fresh) not in ("", leader), "the other to lead")
    say_yes(fresh, "long")
    done = await_phase(fresh, TEAM, "long", "Completed")
    (after,) = pods_of(fresh, TEAM, "long-coder").values()
    assert (done["restarts"], after["metadata"]["uid"]) == (0, before["metadata"]["uid"])


def test_an_operator_that_does_not_start_is_no_success(fresh: Cluster, tmp_path: Path) -> None:
    """An operator that ends because of an unknown option makes helm fail, and the pod's last log lines give the reason; the same
    command without the mistake repairs it.
    """
    with pytest.raises(HelmError, match=r"Deployment/runwatchman/runwatchman|deadline"):
        helm_install(fresh.kubeconfig, tmp_path, "--set=extraArgs={--no-such-option}", f"--timeout={SOON}")
    words = await_that(lambda: last_words(fresh), "the operator's last words")
    assert "No such option '--no-such-option'" in words
    assert "helm test" in install(fresh, tmp_path)


SOON = "20s"


def last_words(cluster: Cluster) -> str:
    """Return the last log lines of the operator's ended containers."""
    statuses = [each for pod in items(cluster, NAMESPACE, "pods") for each in pod["status"].get("containerStatuses", [])]
    ends = [each.get("lastState", {}).get("terminated") or each["state"].get("terminated") or {} for each in statuses]
    return "\n".join(end.get("message", "") for end in ends)


def say_yes(cluster: Cluster, run: str) -> None:
    """Answer a Run's only question."""
    (asked,) = [each for each in items(cluster, TEAM, "escalations") if each["spec"]["runName"] == run]
    answer(cluster, TEAM, asked["metadata"]["name"], "Answer", answer="yes")


def leader_of(cluster: Cluster) -> str:
    """Return the pod that holds the Lease, empty if there isn't one."""
    holder = get(cluster, NAMESPACE, "lease", RELEASE).get("spec", {}).get("holderIdentity") or ""
    return next((each["metadata"]["name"] for each in items(cluster, NAMESPACE, "pods") if each["metadata"]["name"] in holder), "")


def test_what_a_container_may_see(fresh: Cluster, tmp_path: Path) -> None:
    """In the cluster the operator runs as 65532, and the pod has exactly one token, in its container."""
    install(fresh, tmp_path)
    (pod,) = [each for each in items(fresh, NAMESPACE, "pods") if "deletionTimestamp" not in each["metadata"]]
    said = fresh.kubectl("-n", NAMESPACE, "exec", pod["metadata"]["name"], "-c", "operator", "--", "python3", "-c", LOOK)
    assert json.loads(said) == {"uid": 65532, "root": "read-only", "token": True}


LOOK = """
import json, os
try:
    open("/opt/x", "w"); root = "writable"
except OSError:
    root = "read-only"
token = os.access("/var/run/secrets/kubernetes.io/serviceaccount/token", os.R_OK)
print(json.dumps({"uid": os.getuid(), "root": root, "token": token}))
"""
