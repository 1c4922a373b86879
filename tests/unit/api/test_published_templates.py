"""The shapes of pod templates that other platforms for agents publish, and their refused fields. docs/agents.md gives the reasons.

The shapes were read in kubernetes-sigs/agent-sandbox, kelos-dev/kelos and ambient-code/platform in August 2026; values are ours.
"""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.checks import check_run, parse_run_spec

BOX: dict[str, Any] = {"name": "agent", "image": "x"}
RESOURCES = {"requests": {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "512Mi"}, "limits": {"cpu": 2}}
PROBE = {"httpGet": {"path": "/", "port": 8888}, "initialDelaySeconds": 0, "periodSeconds": 1}
SECRET = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}]
DROPPED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": False, "capabilities": {"drop": ["ALL"]}}
MOUNT = [{"name": "w", "mountPath": "/work"}]
VOLUMES: list[dict[str, Any]] = [{"name": "w", "emptyDir": {"sizeLimit": "10Gi"}}]


def of(box: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a template of one container."""
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [BOX | (box or {})], **spec}}


PUBLISHED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "agent-sandbox: an interpreter": (
        of({"ports": [{"containerPort": 8888}], "readinessProbe": PROBE, "resources": RESOURCES}, restartPolicy="OnFailure"),
        {"restartPolicy"},
    ),
    "agent-sandbox: a kernel sandbox": (
        of(
            {"securityContext": {"runAsUser": 1000, "runAsNonRoot": True, **DROPPED}},
            runtimeClassName="gvisor",
            automountServiceAccountToken=False,
            nodeSelector={"sandbox": "gvisor"},
            tolerations=[{"key": "sandbox", "value": "gvisor", "effect": "NoSchedule"}],
            securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        ),
        set(),
    ),
    "agent-sandbox: a cloud role": (of(serviceAccountName="sandbox-sa"), {"serviceAccountName"}),
    "agent-sandbox: a model by its name": (of(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["model"]}]), set()),
    "agent-sandbox: an init container that changes owners": (
        of(initContainers=[{"name": "own", "image": "x", "command": ["chown"], "securityContext": {"runAsUser": 0}}]),
        {"initContainers[0].securityContext.runAsUser"},
    ),
    "agent-sandbox: a desktop": (of({"securityContext": {"privileged": True}}), {"containers[0].securityContext.privileged"}),
    "kelos: a task": (
        of(
            {"env": SECRET, "args": ["do it"], "volumeMounts": MOUNT, "workingDir": "/work/repo", "imagePullPolicy": ""},
            restartPolicy="Never",
            initContainers=[{"name": "clone", "image": "x", "volumeMounts": MOUNT, "securityContext": {"runAsUser": 61100}}],
            securityContext={"fsGroup": 61100},
            volumes=[{"name": "w", "emptyDir": {}}],
        ),
        set(),
    ),
    "kelos: overrides of a pod": (
        of(
            activeDeadlineSeconds=3600,
            resources=RESOURCES,
            env=SECRET,
            volumeMounts=MOUNT,
            labels={"a": "b"},
            podSecurityContext={"fsGroup": 1000},
            containerSecurityContext=DROPPED,
            extraContainers=[BOX],
            extraInitContainers=[BOX],
            serviceAccountName="task",
        ),
        {
            *("activeDeadlineSeconds", "resources", "env", "volumeMounts", "labels", "serviceAccountName"),
            *("podSecurityContext", "containerSecurityContext", "extraContainers", "extraInitContainers"),
        },
    ),
    "ambient-code: a session": (
        of(
            {
                "env": SECRET,
                "envFrom": [{"secretRef": {"name": "s"}}],
                "ports": [{"name": "agui", "containerPort": 8001, "protocol": "TCP"}],
                "readinessProbe": PROBE,
                "livenessProbe": PROBE,
                "lifecycle": {"postStart": {"exec": {"command": ["cp"]}}},
                "securityContext": DROPPED,
                "volumeMounts": MOUNT,
                "resources": RESOURCES,
            },
            restartPolicy="Never",
            terminationGracePeriodSeconds=60,
            serviceAccountName="session",
            automountServiceAccountToken=False,
            initContainers=[{"name": "hydrate", "image": "x", "securityContext": DROPPED, "volumeMounts": MOUNT}],
            securityContext={"fsGroup": 1001, "fsGroupChangePolicy": "OnRootMismatch"},
            volumes=VOLUMES,
        ),
        {"serviceAccountName", "containers[0].lifecycle"},
    ),
    "ambient-code: a server": (
        of({"capabilities": {"drop": ["ALL"]}}, restartPolicy="Always", securityContext={"runAsNonRoot": False}),
        {"restartPolicy", "containers[0].capabilities", "securityContext.runAsNonRoot"},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_only_these_fields_are_refused(name: str) -> None:
    """Each refused field has a remedy of its own; the other fields of the template need no change."""
    template, refused = PUBLISHED[name]
    found = check_run(parse_run_spec({"spec": {"agents": [{"name": "coder", "template": template}]}}))
    assert {violation.path.removeprefix("spec.agents[0].template.spec.") for violation in found} == refused
    for violation in found:
        assert "lists the allowed ones" not in violation.message
        assert "did you mean" not in violation.message
