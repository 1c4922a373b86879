"""Agents whose work is verified and published, and the pods of their attempts and tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.api.base import JsonObject
from controller.api.checks import parse_run_spec
from controller.api.pod_policy import Provision
from controller.api.policy import RunPolicySpec
from controller.api.run import Agent
from controller.api.source import SourceStatus
from controller.api.tasks import TaskKind
from controller.plan.snapshot import RunFacts
from controller.resources.pod_builder import Cloning, build_pod
from controller.resources.publishing_pod import Publication
from controller.resources.reporter_sidecar import Sidecar
from controller.resources.task_pod_builder import Task, build_task_pod
from tests.unit.test_timestamps import NOON

URL = "https://git.example/team/project.git"
BASE, COMMIT, TREE = "0123456789abcdef" * 2 + "01234567", "c" * 40, "7" * 40
CLONED = SourceStatus(revision=BASE)
PUBLICATION = Publication(TREE, COMMIT, NOON)
IMAGE = "git:1"

VERIFY: JsonObject = {"command": ["pytest", "-q"]}
PUBLISH: JsonObject = {"git": {"branch": "agents/{run}-{agent}", "secretName": "push"}}
OPEN: JsonObject = {"command": ["gh", "pr", "create"], "image": "gh:1", "envFrom": [{"secretRef": {"name": "forge"}}]}
"""A command after the push, with a credential of its own."""

SHORT: JsonObject = {
    "image": "agent:1",
    "imagePullPolicy": "Always",
    "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "model", "key": "key"}}}],
    "envFrom": [{"secretRef": {"name": "model"}}],
    "resources": {"limits": {"memory": "2Gi"}},
}
TEMPLATE: JsonObject = {
    "template": {
        "metadata": {"labels": {"mine": "x"}, "annotations": {"vault.hashicorp.com/agent-inject-secret-key": "model"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "agents", "operator": "Exists"}],
            "priorityClassName": "low",
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {"runAsUser": 2000, "supplementalGroups": [7]},
            "schedulingGates": [{"name": "kueue.x-k8s.io/admission"}],
            "volumes": [
                {"name": "keys", "secret": {"secretName": "model"}},
                {"name": "more", "projected": {"sources": [{"secret": {"name": "model"}}]}},
            ],
            "initContainers": [{"name": "prepare", "image": "p", "envFrom": [{"secretRef": {"name": "model"}}]}],
            "containers": [
                {"name": "helper", "image": "h", "volumeMounts": [{"name": "more", "mountPath": "/more"}]},
                {
                    "name": "agent",
                    "image": "agent:1",
                    "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "model", "key": "key"}}}],
                    "securityContext": {"runAsUser": 3000},
                    "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
                },
            ],
        },
    }
}
"""An agent that has Secrets in every way in which a template gives them."""


def run_of(form: JsonObject, **agent: Any) -> RunFacts:
    """Return a Run with one agent, in a workspace with a source unless it has another one."""
    git = {"url": URL, "secretName": "clone", "directory": "src"}
    whole = {"name": "coder", "workspace": {"size": "5Gi", "source": {"git": git}}, **form, **agent}
    return RunFacts("ns", "demo", "run-1", 1, parse_run_spec({"spec": {"agents": [whole], "brief": "do it"}}), created_at=NOON)


def agent_of(run: RunFacts) -> Agent:
    """Return the agent of a Run."""
    assert run.spec
    return run.spec.agents[0]


def task_pod(kind: TaskKind, run: RunFacts, policy: RunPolicySpec | None = None, **task: Any) -> JsonObject:
    """Return the pod of the first try of a task of attempt 2."""
    wanted = Task(**{"kind": kind, "attempt": 2, "cloned": CLONED, "publication": PUBLICATION, **task})
    return build_task_pod(run, agent_of(run), wanted, IMAGE, policy or RunPolicySpec(), Provision())


def attempt_pod(run: RunFacts, cloned: SourceStatus | None = None) -> JsonObject:
    """Return the pod of an attempt."""
    return build_pod(run, agent_of(run), 0, sidecar=Sidecar("r:1"), cloning=Cloning(IMAGE, cloned))


def boxes(pod: JsonObject) -> dict[str, JsonObject]:
    """Return the containers of a pod by name, those that run first included."""
    return {box["name"]: box for box in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]}


def environment(box: JsonObject) -> dict[str, str]:
    """Return the variables of a container."""
    return {each["name"]: each["value"] for each in box["env"]}


def secrets(pod: JsonObject, box: JsonObject) -> set[str]:
    """Return the Secrets that a container has by its environment and its volumes."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    return {
        *(each["valueFrom"]["secretKeyRef"]["name"] for each in box.get("env", []) if "secretKeyRef" in each.get("valueFrom", {})),
        *(each["secretRef"]["name"] for each in box.get("envFrom", []) if "secretRef" in each),
        *(name for mount in box.get("volumeMounts", []) for name in secrets_of(volumes[mount["name"]])),
    }


def secrets_of(volume: JsonObject) -> Iterator[str]:
    """Yield the Secrets in a volume."""
    if "secret" in volume:
        yield volume["secret"]["secretName"]
    yield from (source["secret"]["name"] for source in volume.get("projected", {}).get("sources", []) if "secret" in source)
