"""Verification and publication on a real API server: what it refuses, and the pods that it accepts under every policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.pod_policy import Provision
from controller.api.policy import RunPolicySpec
from controller.api.publishing import NEEDS_SOURCE
from controller.api.source import NO_CREDENTIAL, SSH_HAS_NO_CA, SSH_NEEDS_SECRET, URL_FORMS
from controller.api.tasks import TaskKind
from controller.api.verification import NEEDS_WORKSPACE
from controller.resources.task_pod_builder import Task, build_task_pod
from tests import users
from tests.cluster import Cluster
from tests.cluster.progress import ClusterError
from tests.support import apply, run_of
from tests.unit.tasks.samples import OPEN, PUBLICATION, PUBLISH, SHORT, TEMPLATE, VERIFY, agent_of
from tests.unit.tasks.samples import run_of as facts_of

RESTRICTED = "tasks-restricted"
SOURCE: JsonObject = {"source": {"git": {"url": "https://git.example/a.git"}}}
OVER_SSH: JsonObject = {"source": {"git": {"url": "git@git.example:a.git", "secretName": "clone"}}}


def publishing(workspace: JsonObject = SOURCE, **git: Any) -> JsonObject:
    """Return an agent that publishes."""
    return {"workspace": workspace, "publish": {"git": {"branch": "b", **git}}}


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        ({"verify": VERIFY}, NEEDS_WORKSPACE),
        ({"workspace": {}, "publish": PUBLISH}, NEEDS_SOURCE),
        ({"publish": PUBLISH}, NEEDS_SOURCE),
        ({"workspace": {}, "verify": {"command": []}}, "spec.agents[0].verify.command"),
        ({"workspace": {}, "verify": {**VERIFY, "envFrom": [{}]}}, "set exactly one of secretRef, configMapRef"),
        (publishing(OVER_SSH), SSH_NEEDS_SECRET),
        (publishing(OVER_SSH, secretName="s", caBundle={"configMapName": "c"}), SSH_HAS_NO_CA),
        (publishing(url="git@git.example:a"), SSH_NEEDS_SECRET),
        (publishing(url="https://me:s3cret@git.example/a"), NO_CREDENTIAL),
        (publishing(url="file:///etc"), URL_FORMS),
        (publishing(branch="a..b"), "spec.agents[0].publish.git.branch"),
        (publishing(branch="{user}"), "spec.agents[0].publish.git.branch"),
        (publishing(branch="a.lock/b"), "branch may be neither HEAD nor have a part that ends in .lock"),
        (publishing(branch="HEAD"), "branch may be neither HEAD"),
    ],
)
def test_the_api_server_refuses(api_cluster: Cluster, namespace: str, agent: JsonObject, says: str) -> None:
    """It refuses what the operator would refuse, with the same words and without a credential in them."""
    with pytest.raises(ClusterError) as error:
        apply(api_cluster, namespace, run_of("refused", agent))
    words = str(error.value)
    assert says in words
    assert "s3cret" not in words


@pytest.fixture(scope="module")
def operator(api_cluster: Cluster) -> Cluster:
    """The operator's account; it creates pods in a namespace that enforces Pod Security restricted."""
    made = users.operator_account(api_cluster, "tasks-home")
    api_cluster.kubectl("create", "namespace", RESTRICTED)
    api_cluster.kubectl("label", "namespace", RESTRICTED, "pod-security.kubernetes.io/enforce=restricted")
    return made


@pytest.mark.parametrize("command", [{}, {"command": OPEN}], ids=["without a command", "with a command"])
@pytest.mark.parametrize("form", [SHORT, TEMPLATE], ids=["short form", "template"])
@pytest.mark.parametrize("kind", TaskKind)
def test_the_pods_of_tasks(operator: Cluster, kind: TaskKind, form: JsonObject, command: JsonObject) -> None:
    """The operator's policies and Pod Security admit each pod that the operator creates for a task."""
    run = facts_of(form, verify=VERIFY, publish=PUBLISH | command)
    pod = build_task_pod(run, agent_of(run), Task(kind, 2, publication=PUBLICATION), "x", RunPolicySpec(), Provision())
    pod["metadata"]["namespace"] = RESTRICTED
    pod["spec"].pop("priorityClassName", None)  # This cluster has no such class.
    assert "created" in operator.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
