"""After any deletion of a Run or its surroundings no object is left, none is stuck, and no pod is started against the state."""

from __future__ import annotations

import pytest

from tests.cluster import IN_TIME, Cluster
from tests.kind.installed import Installed
from tests.support import apply, await_phase, await_that, get, items, run_of, shell

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_deletion_takes_the_pods(kind_cluster: Cluster, kind_operator: Installed, namespace: str, cascade: str) -> None:
    """Deleting a Run ends its live agents and releases their pods and claims."""
    apply(kind_cluster, namespace, run_of("going", shell(FOREVER, workspace={"size": "1Gi"})))
    await_phase(kind_cluster, namespace, "going", "Running")
    kind_cluster.kubectl("-n", namespace, "delete", "run", "going", f"--cascade={cascade}", IN_TIME)
    await_that(lambda: not items(kind_cluster, namespace, "pods,pvc"), "the end of pods and claims")


def test_orphan_deletion_leaves_the_pod_running_and_deletable(
    kind_cluster: Cluster, kind_operator: Installed, namespace: str
) -> None:
    """With --cascade=orphan the pod stays, and can be deleted: its outcome is not awaited any more."""
    apply(kind_cluster, namespace, run_of("left", shell(FOREVER)))
    await_phase(kind_cluster, namespace, "left", "Running")
    kind_cluster.kubectl("-n", namespace, "delete", "run", "left", "--cascade=orphan", IN_TIME)
    await_that(
        lambda: not get(kind_cluster, namespace, "pod", "left-coder-r0")["metadata"].get("finalizers"), "the release of the pod"
    )
    assert get(kind_cluster, namespace, "pod", "left-coder-r0")["status"]["phase"] == "Running"
    kind_cluster.kubectl("-n", namespace, "delete", "pod", "left-coder-r0", IN_TIME)


def test_namespace_deletion(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """A namespace with live, finished and never started Runs is deleted completely."""
    apply(
        kind_cluster, namespace, run_of("live", shell(FOREVER)), run_of("done", shell("true")), run_of("nope", {"image": "no/pe:1"})
    )
    await_phase(kind_cluster, namespace, "live", "Running")
    await_phase(kind_cluster, namespace, "done", "Completed")
    kind_cluster.kubectl("delete", "namespace", namespace, IN_TIME)


def test_delete_and_apply_again_under_the_same_name(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """A Run of the same name waits until the deleted one's pod is gone, and then gets a pod of its own."""
    containers = [{"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", "trap '' TERM; sleep 300"]}]
    deaf = {"spec": {"terminationGracePeriodSeconds": 3, "containers": containers}}
    apply(kind_cluster, namespace, run_of("again", {"template": deaf}))
    await_phase(kind_cluster, namespace, "again", "Running")
    first = get(kind_cluster, namespace, "pod", "again-coder-r0")["metadata"]["uid"]
    kind_cluster.kubectl("-n", namespace, "delete", "run", "again", "--wait=false")
    await_that(lambda: not get(kind_cluster, namespace, "run", "again"), "the former Run's end")
    apply(kind_cluster, namespace, run_of("again", shell("true")))
    await_phase(kind_cluster, namespace, "again", "Completed")
    assert get(kind_cluster, namespace, "pod", "again-coder-r0")["metadata"]["uid"] != first
