"""The example of flow control, on a real API server: the schema and the level for the requests of each account."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.support import await_that

EXAMPLE = Path(__file__).parents[2] / "manifests/examples/flow-control/operator.yaml"
HEADER = re.compile(r"X-Kubernetes-Pf-(\w+)-Uid: (\S+)", re.IGNORECASE)
ANY_REQUEST = ("get", "--raw", "/api/v1/namespaces", "-v=8")
"""The lowest verbosity that shows the answer's headers."""
OPERATOR, REPORTER = "system:serviceaccount:runwatchman:runwatchman", "system:serviceaccount:team:runwatchman-reporter"
ACCOUNTS = "system:serviceaccounts"


@pytest.fixture(scope="module")
def example(api_cluster: Cluster) -> Iterator[None]:
    """The applied example."""
    api_cluster.kubectl("apply", "-f", str(EXAMPLE))
    yield
    api_cluster.kubectl("delete", "-f", str(EXAMPLE))


def handled(cluster: Cluster, user: str) -> dict[str, str]:
    """Return the flow schema and the priority level that handled a service account's request, by name."""
    who = ["--as", user, f"--as-group={ACCOUNTS}", "--as-group=system:authenticated"]
    kubectl = [str(cluster.kubectl_path), "--kubeconfig", str(cluster.kubeconfig), *who]
    said = subprocess.run([*kubectl, *ANY_REQUEST], capture_output=True, text=True, check=False).stderr
    names = {each["metadata"]["uid"]: each["metadata"]["name"] for each in configurations(cluster)}
    return {kind.lower(): names.get(uid, uid) for kind, uid in HEADER.findall(said)}


def configurations(cluster: Cluster) -> list[dict[str, dict[str, str]]]:
    """Return every object that configures flow control."""
    found: list[dict[str, dict[str, str]]] = json.loads(
        cluster.kubectl("get", "flowschemas,prioritylevelconfigurations", "-o", "json")
    )["items"]
    return found


def test_the_operator_has_the_level_of_controllers(api_cluster: Cluster, example: None) -> None:
    """The operator's requests are handled by the example's schema, in the level of the system's own controllers."""
    wanted = {"flowschema": "runwatchman", "prioritylevel": "workload-high"}
    await_that(lambda: handled(api_cluster, OPERATOR) == wanted, f"{wanted}: {handled(api_cluster, OPERATOR)}")


def test_reporters_keep_theirs(api_cluster: Cluster, example: None) -> None:
    """The reports of any number of agents do not wait in the operator's queue."""
    assert handled(api_cluster, REPORTER) == {"flowschema": "service-accounts", "prioritylevel": "workload-low"}
