"""Pure: builds the reporter sidecar: its container, its service account and the volumes that it shares with the agent.

The reporter writes `bin` and `answers`, which the agent reads; both write `out`. Only the reporter has a token. It runs as another
user, so that the agent cannot reach it even in a shared process namespace.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.base import JsonObject, dump
from controller.api.container_fields import PullPolicy
from controller.api.names import REPORTER_CONTAINER
from controller.api.pod_policy import DEFAULT_REPORTER_RESOURCES, REPORTER_USER, ReporterResources
from controller.api.template_values import RESERVED_DIR as RUNWATCHMAN_DIR

OUT_VOLUME, WORKSPACE_VOLUME = "runwatchman-out", "runwatchman-workspace"
BIN_VOLUME, ANSWERS_VOLUME, TOKEN_VOLUME = "runwatchman-bin", "runwatchman-answers", "runwatchman-token"  # a volume's name
TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # the mount path of tokens in pods
TOKEN_SECONDS = 3600
"""Lifetime of a token, as Kubernetes' own; the kubelet renews it before it ends."""

OWN_SIZE_LIMIT = "16Mi"
"""Maximum size of each volume that only the reporter writes: 64 answers of 16384 characters fit."""

REPORTER_WORKSPACE = "/workspace"
RW = "rw"
RW_ON_PATH = f"/usr/local/bin/{RW}"
PROBE_SECONDS, PROBE_TIMES = 1, 120


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Configuration of reporters. Without `shared_processes`, the agent keeps its own process namespace."""

    image: str
    interval_seconds: int = 60
    shared_processes: bool = True
    user: int = REPORTER_USER
    group: int = REPORTER_USER
    resources: ReporterResources = DEFAULT_REPORTER_RESOURCES
    pull_policy: PullPolicy | None = None


def add_reporter(spec: JsonObject, container: JsonObject, identity: dict[str, str], sidecar: Sidecar) -> None:
    """Add the reporter to a pod's spec as its first init container, and its volumes to the judged container."""
    spec["serviceAccountName"] = REPORTER_CONTAINER
    if sidecar.shared_processes:
        spec["shareProcessNamespace"] = True
    spec["initContainers"] = [_reporter(identity, sidecar), *spec.get("initContainers", [])]
    spec["volumes"] = [*spec.get("volumes", []), *_volumes()]
    container["volumeMounts"] = [*container.get("volumeMounts", []), *_offered(container)]


def _reporter(identity: dict[str, str], sidecar: Sidecar) -> JsonObject:
    return {
        "name": REPORTER_CONTAINER,
        "image": sidecar.image,
        **({"imagePullPolicy": sidecar.pull_policy.value} if sidecar.pull_policy else {}),
        "command": ["runwatchman", "reporter"],
        "restartPolicy": "Always",
        "env": _environment(identity, sidecar),
        "resources": dump(sidecar.resources),
        "securityContext": {
            "runAsUser": sidecar.user,
            "runAsGroup": sidecar.group,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "startupProbe": {
            "exec": {"command": ["runwatchman", "reporter", "--ready"]},
            "periodSeconds": PROBE_SECONDS,
            "timeoutSeconds": 10,
            "failureThreshold": PROBE_TIMES,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            *({"name": volume, "mountPath": f"{RUNWATCHMAN_DIR}/{path}"} for volume, path in FOLDERS.items()),
            {"name": WORKSPACE_VOLUME, "mountPath": REPORTER_WORKSPACE, "readOnly": True},
            {"name": TOKEN_VOLUME, "mountPath": TOKEN_DIR, "readOnly": True},
        ],
    }


FOLDERS = {BIN_VOLUME: "bin", ANSWERS_VOLUME: "answers", OUT_VOLUME: "out"}


def _environment(identity: dict[str, str], sidecar: Sidecar) -> list[JsonObject]:
    environment = {
        **identity,
        "RUNWATCHMAN_DIR": RUNWATCHMAN_DIR,
        "RUNWATCHMAN_WORKSPACE": REPORTER_WORKSPACE,
        "RUNWATCHMAN_REPORTER": "Full" if sidecar.shared_processes else "NoSharedPID",
        "RUNWATCHMAN_REPORT_INTERVAL_SECONDS": str(sidecar.interval_seconds),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "1",  # Its threads share one malloc arena: its memory counts in every pod.
    }
    from_pod = {"RUNWATCHMAN_POD_UID": "metadata.uid", "RUNWATCHMAN_NAMESPACE": "metadata.namespace"}
    return [
        *({"name": name, "value": value} for name, value in environment.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in from_pod.items()),
    ]


def _volumes() -> list[JsonObject]:
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return [
        *({"name": volume, "emptyDir": {"sizeLimit": OWN_SIZE_LIMIT}} for volume in (BIN_VOLUME, ANSWERS_VOLUME)),
        {"name": TOKEN_VOLUME, "projected": {"sources": sources}},
    ]


def _offered(container: JsonObject) -> list[JsonObject]:
    """Return the agent's read-only mounts. `rw` is also mounted on its PATH, unless the template mounts something there."""
    offered: list[JsonObject] = [
        {"name": volume, "mountPath": f"{RUNWATCHMAN_DIR}/{FOLDERS[volume]}", "readOnly": True}
        for volume in (BIN_VOLUME, ANSWERS_VOLUME)
    ]
    taken = [mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", [])]
    if not any(path == RW_ON_PATH or RW_ON_PATH.startswith(f"{path}/") for path in taken):
        offered.append({"name": BIN_VOLUME, "mountPath": RW_ON_PATH, "subPath": RW, "readOnly": True})
    return offered
