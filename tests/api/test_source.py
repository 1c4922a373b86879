"""The source of a workspace on a real API server: what it refuses, and the pod that it accepts under every policy."""

from __future__ import annotations

import pytest

from controller.api.base import JsonObject
from controller.api.source import NO_CREDENTIAL, NO_PASSWORD, SSH_HAS_NO_CA, SSH_NEEDS_SECRET, URL_FORMS
from tests.cluster import Cluster
from tests.cluster.progress import ClusterError
from tests.support import OperatorProcess, apply, await_that, items, run_of

HTTPS, SSH = "https://git.example/team/project.git", "git@git.example:team/project.git"


def run_from(name: str, **git: object) -> JsonObject:
    """Return a Run whose agent's workspace has this source."""
    return run_of(name, {"workspace": {"source": {"git": git}}})


@pytest.mark.parametrize(
    ("git", "says"),
    [
        ({"url": "https://robot:s3cret@git.example/x.git"}, NO_CREDENTIAL),
        ({"url": "ssh://git:s3cret@git.example/x.git", "secretName": "s"}, NO_PASSWORD),
        *(
            ({"url": url}, URL_FORMS)
            for url in ("http://git.example/x.git", "file:///etc", "ext::sh -c date", "https://git.example")
        ),
        ({"url": SSH}, SSH_NEEDS_SECRET),
        ({"url": SSH, "secretName": "s", "caBundle": {"configMapName": "c"}}, SSH_HAS_NO_CA),
        ({"url": HTTPS, "directory": "../x"}, "spec.agents[0].workspace.source.git.directory"),
        ({"url": HTTPS, "revision": "--upload-pack=x"}, "spec.agents[0].workspace.source.git.revision"),
        ({"url": HTTPS, "depth": 0}, "spec.agents[0].workspace.source.git.depth"),
    ],
)
def test_the_api_server_refuses(api_cluster: Cluster, namespace: str, git: JsonObject, says: str) -> None:
    """It refuses what the operator would refuse, with the same words and without a credential in them."""
    with pytest.raises(ClusterError) as error:
        apply(api_cluster, namespace, run_from("refused", **git))
    words = str(error.value)
    assert says in words
    assert "s3cret" not in words


def test_a_pod_with_a_source(api_cluster: Cluster, namespace: str) -> None:
    """The operator's policies and Pod Security admit the container that clones, with its Secret."""
    with OperatorProcess(api_cluster, "--namespace", namespace, "--reporter-image", "x", "--git-image", "git:1"):
        apply(api_cluster, namespace, run_from("cloned", url=SSH, secretName="clone"))
        (pod,) = await_that(lambda: items(api_cluster, namespace, "pods"), "the pod")
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["runwatchman-reporter", "runwatchman-source"]


def test_an_operator_without_the_image(api_cluster: Cluster, namespace: str) -> None:
    """The Run shows what is missing and where to set it, and no pod is created."""
    with OperatorProcess(api_cluster, "--namespace", namespace):
        apply(api_cluster, namespace, run_from("imageless", url=HTTPS))
        found = await_that(lambda: refusal(api_cluster, namespace), "the refusal")
    assert "set git.image in the chart (--git-image)" in found
    assert items(api_cluster, namespace, "pods") == []


def refusal(cluster: Cluster, namespace: str) -> str:
    """Return the message of a Run whose pod was refused."""
    (run,) = items(cluster, namespace, "runs")
    status = run.get("status", {})
    return str(status["message"]) if status.get("reason") == "PodRefused" else ""
