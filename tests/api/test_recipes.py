"""The recipes of docs/recipes.md that need no kubelet, on a real API server with Kubernetes' own controllers."""

from __future__ import annotations

import pytest

from tests import users
from tests.cluster import Cluster
from tests.cluster.progress import ClusterError
from tests.recipes import of_kind, recipe
from tests.support import OperatorProcess, apply, await_phase, await_that, items

NIGHTLY = "A Run each night"


def test_a_run_each_night(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """A Job of the CronJob has the recipe's pod. Its command makes a new Run each time, as the account, under the policy."""
    objects = recipe(NIGHTLY, namespace)
    apply(api_cluster, namespace, *objects)
    api_cluster.kubectl("-n", namespace, "create", "job", "tonight", "--from=cronjob/nightly")
    (pod,) = await_that(lambda: items(api_cluster, namespace, "pods"), "the Job's pod")
    assert (pod["spec"]["serviceAccountName"], pod["metadata"]["labels"]["job-name"]) == ("nightly", "tonight")
    (container,) = pod["spec"]["containers"]
    program, verb, *options = container["command"]
    assert (program, options) == ("kubectl", ["-f", "/runs/run.yaml"])
    nightly = users.account(api_cluster, namespace, "nightly")
    body = of_kind(objects, "ConfigMap")["data"]["run.yaml"]
    names = [nightly.kubectl("-n", namespace, verb, "-f", "-", "-o", "name", stdin=body).strip().rpartition("/")[2] for _ in "12"]
    assert len(set(names)) == len(names)
    for name in names:
        found = await_phase(api_cluster, namespace, name, "Completed")
        assert found["policy"]["name"] == "nightly"
        assert found["requestedBy"]["name"] == f"system:serviceaccount:{namespace}:nightly"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("get", "runs"), "cannot list resource"),
        (("delete", "runs", "--all"), "cannot list resource"),
        (("get", "secrets"), "cannot list resource"),
    ],
    ids=" ".join,
)
def test_who_creates_runs_each_night_may_do_no_more(
    api_cluster: Cluster, namespace: str, command: tuple[str, ...], words: str
) -> None:
    """The account reads no Run and no Secret, and deletes none."""
    apply(api_cluster, namespace, *recipe(NIGHTLY, namespace))
    with pytest.raises(ClusterError, match=words):
        users.account(api_cluster, namespace, "nightly").kubectl("-n", namespace, *command)


def test_who_creates_runs_each_night_speaks_for_nobody(api_cluster: Cluster, namespace: str) -> None:
    """Admission refuses another name in requestedBy, with the account's own."""
    objects = recipe(NIGHTLY, namespace)
    apply(api_cluster, namespace, *objects)
    own = f"system:serviceaccount:{namespace}:nightly"
    body = of_kind(objects, "ConfigMap")["data"]["run.yaml"].replace(own, "alice")
    with pytest.raises(ClusterError, match=f'requestedBy is "alice", but you are "{own}"'):
        users.account(api_cluster, namespace, "nightly").kubectl("-n", namespace, "create", "-f", "-", stdin=body)
