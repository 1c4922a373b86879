"""Reporters have the image of the operator's own container, read from its pod with the rights of an installation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.api.base import JsonObject
from tests import users
from tests.chart.helm import NAMESPACE, ROOT, one
from tests.chart.test_kustomize import built
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_that, pods_of, run_of

OVERLAY = ROOT / "manifests/overlays/single-namespace"
WATCHED, POD = "agents", "runwatchman-5d8f"
IMAGE = {"name": "ghcr.io/runwatchman/runwatchman", "newName": "registry.example/team/runwatchman", "newTag": "7"}
OTHER = "registry.example/team/runwatchman:7"
KEPT = ("--namespace", "--lease-name", "--reporter", "--no-reporter")
"""The options of the overlay's operator that a process outside of its pod can have."""


@pytest.fixture(scope="module")
def deployment(api_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsonObject]:
    """The Deployment of an overlay, installed with kustomize's `images` naming another image, as docs/install.md has it."""
    folder = tmp_path_factory.mktemp("mine")
    mine = {"resources": [os.path.relpath(OVERLAY, folder.resolve())], "images": [IMAGE]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    api_cluster.kubectl("create", "namespace", WATCHED, check=False)
    api_cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
    yield one(built(folder), "Deployment")
    own = [each for each in built(folder) if each["metadata"].get("namespace") in (NAMESPACE, WATCHED, "default")]
    api_cluster.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=yaml.safe_dump_all(own))
    api_cluster.kubectl("delete", "namespace", NAMESPACE, WATCHED, "--wait=false")


@pytest.fixture(scope="module")
def pod(api_cluster: Cluster, deployment: JsonObject) -> str:
    """The operator's pod, as the Deployment's controller would create it; no node runs it."""
    template = deployment["spec"]["template"]
    template["spec"]["nodeSelector"] = {"test.runwatchman.dev/none": "x"}
    apply(api_cluster, NAMESPACE, {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": POD}})
    return POD


def operator(cluster: Cluster, deployment: JsonObject, *options: str) -> OperatorProcess:
    """Return the operator with the account and the options of a Deployment, and some more."""
    spec = deployment["spec"]["template"]["spec"]
    given = [word for word in spec["containers"][0]["args"] if word.startswith(KEPT)]
    return OperatorProcess(users.account(cluster, NAMESPACE, spec["serviceAccountName"]), *given, *options)


def agent_pod(cluster: Cluster, run: str) -> JsonObject:
    """Apply a Run, and return its agent's pod."""
    apply(cluster, WATCHED, run_of(run))
    found: JsonObject = await_that(lambda: pods_of(cluster, WATCHED, f"{run}-coder"), f"the pod of {run}")
    return next(iter(found.values()))


def reporter_images(pod: JsonObject) -> list[str]:
    """Return the images of a pod's reporters."""
    return [each["image"] for each in pod["spec"].get("initContainers", []) if each["command"][:2] == ["runwatchman", "reporter"]]


def test_an_overlays_other_image_is_the_reporters(api_cluster: Cluster, deployment: JsonObject, pod: str) -> None:
    """With kustomize's `images` alone the reporter in an agent's pod has that image too; no right is missing."""
    with operator(api_cluster, deployment, "--pod", pod):
        assert reporter_images(agent_pod(api_cluster, "own")) == [OTHER]


@pytest.mark.parametrize(
    ("options", "images"), [(("--reporter-image", "x:1"), ["x:1"]), (("--no-reporter",), [])], ids=["named", "none"]
)
def test_the_installer_may_choose(
    options: tuple[str, ...], images: list[str], api_cluster: Cluster, deployment: JsonObject, pod: str
) -> None:
    """--reporter-image comes first, and with --no-reporter an agent has no reporter."""
    with operator(api_cluster, deployment, "--pod", pod, *options):
        assert reporter_images(agent_pod(api_cluster, f"chosen{len(images)}")) == images


def words_of(operator: OperatorProcess) -> str:
    """Return the last words of an operator that does not start."""
    operator.start_without_waiting()
    await_that(operator.ended, f"the operator to end, see {operator.log}")
    return Path(operator.log).read_text()


def test_a_pod_that_is_not_there(api_cluster: Cluster, deployment: JsonObject) -> None:
    """A wrong name of the pod ends the operator, which names the option and another one."""
    words = words_of(operator(api_cluster, deployment, "--pod", "nobody"))
    assert "--pod (nobody) must be the operator's own pod; correct it, or set --reporter-image" in words


def test_a_pod_without_the_container(api_cluster: Cluster, deployment: JsonObject, pod: str) -> None:
    """A pod whose container has another name ends the operator: another container's image would not be the operator's."""
    spec = deployment["spec"]["template"]["spec"]
    proxy = {**spec, "containers": [{**spec["containers"][0], "name": "proxy"}]}
    apply(api_cluster, NAMESPACE, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger"}, "spec": proxy})
    assert "pod stranger has no container operator" in words_of(operator(api_cluster, deployment, "--pod", "stranger"))


def test_a_missing_right(api_cluster: Cluster, deployment: JsonObject, pod: str) -> None:
    """Without the right to read its pod the operator ends, and names the role that has the right."""
    api_cluster.kubectl("-n", NAMESPACE, "delete", "rolebinding", "runwatchman-lease")
    words = words_of(operator(api_cluster, deployment, "--pod", pod))
    assert "bind the ClusterRole runwatchman-operator-lease in the operator's namespace, or set --reporter-image" in words
