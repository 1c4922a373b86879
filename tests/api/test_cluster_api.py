"""The `api` cluster itself: two at once, simulated pods, an audit log that counts."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import suppress

import pytest

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from tests import users
from tests.cluster import Cluster, ClusterError, lifecycle, plain
from tests.cluster.base import KUBECTL_SECONDS
from tests.support import POLLED, apply, await_that, get, items, policy_of, run_of


def job(name: str) -> JsonObject:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    spec = {"template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def readable(cluster: Cluster, path: str) -> JsonObject | None:
    """Return what is at a path, None while its user may not read it."""
    with suppress(ClusterError):
        return cluster.read(path)
    return None


def test_a_simulated_job_completes(api_cluster: Cluster, namespace: str) -> None:
    """Scheduler, controller-manager and kwok work together: a Job's pod runs and completes."""
    apply(api_cluster, namespace, job("simulated"))
    await_that(lambda: get(api_cluster, namespace, "job", "simulated").get("status", {}).get("succeeded") == 1, "the Job's end")


def test_the_audit_log_counts_writes_once(api_cluster: Cluster, namespace: str) -> None:
    """One create is one entry, of the program that sent it and in its namespace."""
    api_cluster.kubectl("-n", namespace, "create", "configmap", "one")
    await_that(lambda: api_cluster.writes(namespace, "kubectl"), "the entry")
    assert api_cluster.writes(namespace, "kubectl") == {("create", "configmaps"): 1}


@pytest.mark.parametrize("kind", ["pod", "run"])
def test_a_poll_reads_what_kubectl_prints(api_cluster: Cluster, namespace: str, kind: str) -> None:
    """Kinds that tests poll are read without kubectl, whether they are the API server's or a CRD's, with the same result."""
    unscheduled = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "x"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": unscheduled}
    api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(pod))
    api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(run_of("one")))
    assert kind in POLLED
    printed = json.loads(api_cluster.kubectl("-n", namespace, "get", kind, "-o", "json"))["items"]
    assert items(api_cluster, namespace, f"{kind}s") == printed
    assert [get(api_cluster, namespace, kind, "one")] == printed
    assert get(api_cluster, namespace, kind, "absent") == {}


RUN = json.dumps(run_of("one"))
PLAYED: tuple[tuple[tuple[str, ...], str | None], ...] = (
    (("create", "-f", "-"), json.dumps({"apiVersion": "v1", "kind": "List", "items": [run_of("one"), policy_of({})]})),
    (("create", "-f", "-"), RUN),
    (("create", "-f", "-", "--dry-run=server"), json.dumps(run_of("two"))),
    (("create", "-f", "-"), RUN.replace("agents", "agent")),
    (("create", "-f", "-", "--validate=ignore"), RUN.replace('"spec": {', '"spec": {"x": 1, ').replace("one", "three")),
    (("patch", "run", "one", "--type=merge", "-p", '{"spec": {"tokenBudget": 9}}'), None),
    (("patch", "run/one", "--type=merge", "-p", '{"status": {"phase": "Running"}}', "--subresource=status"), None),
    (("patch", "run/one", "--type=merge", "--field-manager=me", "-p", '{"metadata": {"labels": {"a": "b"}}}'), None),
    (("patch", "run/one", "--type=merge", "-p", '{"spec": {"tokenBudget": -1}}'), None),
    (("patch", "run", "absent", "--type=merge", "-p", "{}"), None),
)
"""Plain commands: some succeed, and some are refused."""


def stored(cluster: Cluster, namespace: str) -> str:
    """Return the Runs and policies of a namespace as JSON, with the owners of their fields and without what differs each time."""
    paths = (f"/apis/{API_VERSION}/namespaces/{namespace}/{kind}" for kind in ("runs", "runpolicies"))
    text = json.dumps([(cluster.read(path) or {})["items"] for path in paths]).replace(namespace, "NAMESPACE")
    return re.sub(r'"(uid|resourceVersion|creationTimestamp|time)": "[^"]*"', r'"\1": ""', text)


def test_a_plain_command_does_what_kubectl_does(api_cluster: Cluster, namespace: str) -> None:
    """The commands that take no process store the same objects as kubectl, in the name of the same manager, and fail alike."""
    reader, ends = api_cluster._reader, []
    assert reader
    api_cluster.create_namespace(other := f"{namespace}-kubectl")
    for args, stdin in PLAYED:
        plainly = plain.run(reader, ("-n", namespace, *args), stdin)
        by_kubectl = api_cluster._process(("-n", other, *args), stdin, KUBECTL_SECONDS)
        assert plainly, f"{args} is not plain"
        assert (plainly.returncode, bool(plainly.stdout)) == (by_kubectl.returncode, bool(by_kubectl.stdout)), by_kubectl
        assert stored(api_cluster, namespace) == stored(api_cluster, other)
        ends.append(plainly.returncode)
    assert ends == [0, 1, 0, 1, 0, 0, 0, 0, 1, 1]
    api_cluster.delete_namespace(other)


def test_only_plain_commands_take_no_process() -> None:
    """Commands of another form, with another flag or for another kind are kubectl's."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
    for args, stdin in (
        (("get", "pods"), None),
        (("create", "-f", "-", "-o", "json"), json.dumps(pod)),
        (("-n", "here", "create", "-f", "-"), json.dumps(pod | {"metadata": {"name": "one", "namespace": "there"}})),
        (("create", "-f", "-"), json.dumps(pod | {"kind": "Pot"})),
        (("patch", "pod", "one", "--type=strategic", "-p", "{}"), None),
        (("patch", "pod", "one", "--type=merge", "--as=me", "-p", "{}"), None),
        (("patch", "pot", "one", "--type=merge", "-p", "{}"), None),
    ):
        assert plain.requests_of(args, stdin) is None, args


def test_a_read_is_the_users_own(api_cluster: Cluster, namespace: str) -> None:
    """A certificate and a token each read with their user's rights; a refusal is an error with the API server's words."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    for who in (users.person(api_cluster, "stranger"), users.account(api_cluster, namespace, "default")):
        with pytest.raises(ClusterError, match="pods is forbidden: User"):
            who.read(path)
    users.grant(api_cluster, namespace, "view", "--user=stranger")
    found = await_that(lambda: readable(users.person(api_cluster, "stranger"), path), "the right")
    assert found["kind"] == "PodList"


def test_two_clusters_at_once_are_strangers(api_cluster: Cluster) -> None:
    """A second cluster has its own ports, folder and objects, and is removed completely."""
    other = lifecycle.up("api", name=f"other-{uuid.uuid4().hex[:6]}")
    try:
        other.kubectl("create", "namespace", "only-here")
        assert "only-here" not in api_cluster.kubectl("get", "namespaces", "-o", "name")
    finally:
        lifecycle.down(other.name)
    assert not other.directory.exists()
    assert api_cluster.kubectl("get", "--raw", "/readyz") == "ok"
