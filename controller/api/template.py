"""The allowlist of a pod template's fields, as data. All other fields are refused, because denylists have failed elsewhere."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from controller.api.names import GROUP
from controller.api.scheduling import AFFINITY, SPREAD, TOLERATIONS
from controller.api.shapes import Items, Leaf, Values, only

RESERVED_DIR = "/runwarden"

REPORTER_UID = 10002
"""UID of the reporter in an agent's pod. No agent may use it, because the reporter's token is safe from all other users only."""


MAX_GRACE_SECONDS = 3600
"""The longest grace period of a Run's pod, and so about the longest time that a stop, a deadline or a spent budget takes.

An hour lets an agent finish an upload. A longer task is work, and belongs before the stop. A node's drain waits as long at most.
"""


def _not_ours(key: str) -> str:
    ours = key == GROUP or key.startswith(f"{GROUP}/")
    return f"keys under {GROUP}/ are reserved for the operator" if ours else ""


def _annotation(key: str) -> str:
    """Refuse profiles in annotations as well: Kubernetes still applies AppArmor's annotations although the field is refused."""
    profile = UNCONFINING.match(key)
    return f"keys under {profile[0]} would change the container's confinement: leave it out" if profile else _not_ours(key)


UNCONFINING = re.compile(r"(?:[a-z-]+\.)*(?:apparmor|seccomp)\.security\.(?:alpha|beta)\.kubernetes\.io/")


def _non_root(uid: int) -> str:
    return "" if uid > 0 else "the agent may not run as root: use a user above 0, or omit the field for 10001"


def _agent_user(uid: int) -> str:
    return (
        f"{uid} is reserved for the reporter: use another, or omit the field for 10001" if uid == REPORTER_UID else _non_root(uid)
    )


def _env_name(name: str) -> str:
    return "names that begin with RUNWARDEN_ are reserved for the operator" if name.startswith("RUNWARDEN_") else ""


def _mount_path(path: str) -> str:
    if not path.startswith("/") or plain(path) == "/":
        return "needs an absolute path other than /"
    return f"{RESERVED_DIR} is reserved for the operator" if is_reserved(path) else ""


def plain(path: str) -> str:
    """Return an absolute path without `..`, `.` and doubled slashes, as a container runtime resolves it."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def is_reserved(path: str) -> bool:
    """Whether a path, in any spelling, is the operator's directory or in it."""
    return plain(path) == RESERVED_DIR or plain(path).startswith(f"{RESERVED_DIR}/")


def _priority(name: str) -> str:
    return "classes that begin with system- are reserved for the cluster: use one of yours" if name.startswith("system-") else ""


def _own_name(name: str) -> str:
    return "names that begin with runwarden- are reserved for the operator" if name.startswith("runwarden-") else ""


def _gate(name: str) -> str:
    return _not_ours(name)


def _grace(seconds: int) -> str:
    """Refuse zero: the API server would delete the pod by force, without waiting until the node has ended it."""
    if 0 < seconds <= MAX_GRACE_SECONDS:
        return ""
    return f"a grace period is 1 to {MAX_GRACE_SECONDS} s: let the agent save its work in that time, or omit the field for 30"


def _no_add(values: list[Any]) -> str:
    return "no capability may be added" if values else ""


TEXT = Leaf((str,))
BOOL = Leaf((bool,))
NUMBER = Leaf((int,))
NUMBER_OR_TEXT = Leaf((int, str))
TEXTS = Items(TEXT)
GRACE = Leaf((int,), _grace)
USER = Leaf((int,), _agent_user)
GROUP_ID = Leaf((int,), _non_root)
TRUE = Leaf((bool,), only(True))
FALSE = Leaf((bool,), only(False))

KEY_REF = {"name": TEXT, "key": TEXT, "optional": BOOL}
KEY_ITEMS = Items({"key": TEXT, "path": TEXT, "mode": NUMBER})
FIELD_REF = {"apiVersion": TEXT, "fieldPath": TEXT}
RESOURCE_REF = {"containerName": TEXT, "resource": TEXT, "divisor": NUMBER_OR_TEXT}
FIELD_ITEMS = Items({"path": TEXT, "mode": NUMBER, "fieldRef": FIELD_REF, "resourceFieldRef": RESOURCE_REF})
QUANTITIES = Values(NUMBER_OR_TEXT)
PROBE = {
    "exec": {"command": TEXTS},
    "httpGet": {"path": TEXT, "port": NUMBER_OR_TEXT, "scheme": TEXT, "httpHeaders": Items({"name": TEXT, "value": TEXT})},
    "tcpSocket": {"port": NUMBER_OR_TEXT},
    "grpc": {"port": NUMBER, "service": TEXT},
    "initialDelaySeconds": NUMBER,
    "periodSeconds": NUMBER,
    "timeoutSeconds": NUMBER,
    "successThreshold": NUMBER,
    "failureThreshold": NUMBER,
    "terminationGracePeriodSeconds": GRACE,
}
"""Shape of a probe. It has no `host`: the kubelet would call, from the node, any host that the template names."""

APP_ARMOR = Leaf((dict,), only({"type": "RuntimeDefault"}))
SECCOMP = {"type": Leaf((str,), only("RuntimeDefault"))}
CONTAINER_SECURITY = {
    "runAsUser": USER,
    "runAsGroup": GROUP_ID,
    "runAsNonRoot": TRUE,
    "readOnlyRootFilesystem": BOOL,
    "allowPrivilegeEscalation": FALSE,
    "privileged": FALSE,
    "seccompProfile": SECCOMP,
    "appArmorProfile": APP_ARMOR,
    "procMount": Leaf((str,), only("Default")),
    "capabilities": {"drop": TEXTS, "add": Leaf((list,), _no_add)},
}
POD_SECURITY = {
    "runAsUser": USER,
    "runAsGroup": GROUP_ID,
    "runAsNonRoot": TRUE,
    "fsGroup": GROUP_ID,
    "fsGroupChangePolicy": TEXT,
    "supplementalGroups": Items(GROUP_ID),
    "supplementalGroupsPolicy": Leaf((str,), only("Merge", "Strict")),
    "seccompProfile": SECCOMP,
    "appArmorProfile": APP_ARMOR,
}

CONTAINER = {
    "name": Leaf((str,), _own_name),
    "image": TEXT,
    "command": TEXTS,
    "args": TEXTS,
    "workingDir": TEXT,
    "env": Items(
        {
            "name": Leaf((str,), _env_name),
            "value": TEXT,
            "valueFrom": {
                "secretKeyRef": KEY_REF,
                "configMapKeyRef": KEY_REF,
                "fieldRef": FIELD_REF,
                "resourceFieldRef": RESOURCE_REF,
            },
        }
    ),
    "envFrom": Items(
        {
            "prefix": TEXT,
            "secretRef": {"name": TEXT, "optional": BOOL},
            "configMapRef": {"name": TEXT, "optional": BOOL},
        }
    ),
    "resources": {"limits": QUANTITIES, "requests": QUANTITIES},
    "volumeMounts": Items(
        {
            "name": Leaf((str,), _own_name),
            "mountPath": Leaf((str,), _mount_path),
            "subPath": TEXT,
            "readOnly": BOOL,
            "recursiveReadOnly": Leaf((str,), only("Disabled", "IfPossible", "Enabled")),
            "mountPropagation": Leaf((str,), only("None")),
        }
    ),
    "ports": Items({"name": TEXT, "containerPort": NUMBER, "protocol": TEXT}),
    "imagePullPolicy": TEXT,
    "terminationMessagePolicy": TEXT,
    "terminationMessagePath": TEXT,
    "stdin": BOOL,
    "stdinOnce": FALSE,
    "tty": BOOL,
    "startupProbe": PROBE,
    "readinessProbe": PROBE,
    "livenessProbe": PROBE,
    "securityContext": CONTAINER_SECURITY,
}
INIT_CONTAINER = {**CONTAINER, "restartPolicy": Leaf((str,), only("Always"))}

VOLUME = {
    "name": Leaf((str,), _own_name),
    "emptyDir": {"medium": TEXT, "sizeLimit": NUMBER_OR_TEXT},
    "secret": {"secretName": TEXT, "items": KEY_ITEMS, "defaultMode": NUMBER, "optional": BOOL},
    "configMap": {"name": TEXT, "items": KEY_ITEMS, "defaultMode": NUMBER, "optional": BOOL},
    "persistentVolumeClaim": {"claimName": TEXT, "readOnly": BOOL},
    "downwardAPI": {"items": FIELD_ITEMS, "defaultMode": NUMBER},
    "projected": {
        "defaultMode": NUMBER,
        "sources": Items(
            {
                "secret": {"name": TEXT, "items": KEY_ITEMS, "optional": BOOL},
                "configMap": {"name": TEXT, "items": KEY_ITEMS, "optional": BOOL},
                "downwardAPI": {"items": FIELD_ITEMS},
            }
        ),
    },
}

POD = {
    "containers": Items(CONTAINER),
    "initContainers": Items(INIT_CONTAINER),
    "volumes": Items(VOLUME),
    "nodeSelector": Values(TEXT),
    "tolerations": TOLERATIONS,
    "affinity": AFFINITY,
    "topologySpreadConstraints": SPREAD,
    "runtimeClassName": TEXT,
    "schedulerName": TEXT,
    "schedulingGates": Items({"name": Leaf((str,), _gate)}),
    "priorityClassName": Leaf((str,), _priority),
    "imagePullSecrets": Items({"name": TEXT}),
    "terminationGracePeriodSeconds": GRACE,
    "restartPolicy": Leaf((str,), only("Never")),
    "automountServiceAccountToken": FALSE,
    "enableServiceLinks": FALSE,
    "securityContext": POD_SECURITY,
    "dnsPolicy": Leaf((str,), only("ClusterFirst")),
    "setHostnameAsFQDN": FALSE,
    "hostUsers": FALSE,
    "hostNetwork": FALSE,
    "hostPID": FALSE,
    "hostIPC": FALSE,
}

TEMPLATE = {
    "metadata": {"labels": Values(TEXT, _not_ours), "annotations": Values(TEXT, _annotation)},
    "spec": POD,
}

REMEDIES = {
    "serviceAccountName": "agents get no token of their own; use a Secret for their credentials",
    "serviceAccount": "agents get no token of their own; use a Secret for their credentials",
    "hostPath": "use a persistentVolumeClaim, secret or configMap",
    "activeDeadlineSeconds": "use the Run's activeDeadlineSeconds",
    "nodeName": "use nodeSelector or affinity",
    "ephemeralContainers": "kubectl debug adds them to a running pod",
    "lifecycle": "trap TERM in the agent instead",
    "host": "probes go to the pod itself",
    "hostPort": "agents are not reachable from outside",
    "namespaces": "no reference leaves the Run's namespace",
    "namespaceSelector": "no reference leaves the Run's namespace",
}
"""Refused fields that people often ask for, and their replacement."""
