"""The allowlist of a pod template's fields, as data. All other fields are refused, because denylists have failed elsewhere.

A template may be what Kubernetes' tools print. So values that only repeat Kubernetes' defaults pass, and a whole Pod is a template:
its kind, name and status have no effect, as in a Deployment's template. docs/agents.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.api.hints import NO_TOKEN, RESTARTS, places
from controller.api.hints import hint as any_hint
from controller.api.scheduling import AFFINITY, SPREAD, TOLERATIONS
from controller.api.shapes import Items, Leaf, Unset, Values, allowed, only
from controller.api.template_values import (
    added_capabilities_fault,
    agent_user_fault,
    env_name_fault,
    gate_fault,
    grace_fault,
    mount_path_fault,
    non_root_fault,
    nullable_quantity_fault,
    own_name_fault,
    priority_fault,
    refused_annotation,
    refused_label,
    token_fault,
)

TEXT = Leaf((str,))
BOOL = Leaf((bool,))
NUMBER = Leaf((int,))
NUMBER_OR_TEXT = Leaf((int, str))
QUANTITY = Leaf((str, int, float, bool, list, dict, type(None)), nullable_quantity_fault)
TEXTS = Items(TEXT)
GRACE = Leaf((int,), grace_fault)
USER = Leaf((int,), agent_user_fault)
GROUP_ID = Leaf((int,), non_root_fault)
TRUE = Leaf((bool,), only(True))
FALSE = Leaf((bool,), only(False))

KEY_REF = {"name": TEXT, "key": TEXT, "optional": BOOL}
KEY_ITEMS = Items({"key": TEXT, "path": TEXT, "mode": NUMBER})
FIELD_REF = {"apiVersion": TEXT, "fieldPath": TEXT}
RESOURCE_REF = {"containerName": TEXT, "resource": TEXT, "divisor": QUANTITY}
FIELD_ITEMS = Items({"path": TEXT, "mode": NUMBER, "fieldRef": FIELD_REF, "resourceFieldRef": RESOURCE_REF})
QUANTITIES = Values(QUANTITY)
NO_HOST = Unset("probes go to the pod itself")
PROBE = {
    "exec": {"command": TEXTS},
    "httpGet": {
        "path": TEXT,
        "port": NUMBER_OR_TEXT,
        "scheme": TEXT,
        "httpHeaders": Items({"name": TEXT, "value": TEXT}),
        "host": NO_HOST,
    },
    "tcpSocket": {"port": NUMBER_OR_TEXT, "host": NO_HOST},
    "grpc": {"port": NUMBER, "service": TEXT},
    "initialDelaySeconds": NUMBER,
    "periodSeconds": NUMBER,
    "timeoutSeconds": NUMBER,
    "successThreshold": NUMBER,
    "failureThreshold": NUMBER,
    "terminationGracePeriodSeconds": GRACE,
}
"""Shape of a probe. It has no `host`: the kubelet would call, from the node, any host that the template names."""

NO_SELINUX = Unset("the node's own type confines agents: leave it out")
NO_WINDOWS = Unset("agents run on Linux: leave it out")
APP_ARMOR = Leaf((dict,), only({"type": "RuntimeDefault"}))
SECCOMP = {"type": Leaf((str,), only("RuntimeDefault")), "localhostProfile": Unset("only the type RuntimeDefault is allowed")}
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
    "capabilities": {"drop": TEXTS, "add": Leaf((list,), added_capabilities_fault)},
    "seLinuxOptions": NO_SELINUX,
    "windowsOptions": NO_WINDOWS,
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
    "sysctls": Unset("kernel settings are the node's: ask its admin"),
    "seLinuxOptions": NO_SELINUX,
    "seLinuxChangePolicy": NO_SELINUX,
    "windowsOptions": NO_WINDOWS,
}

NO_HOST_PORT = Unset("agents are not reachable from outside; a human uses kubectl port-forward", 0)
CONTAINER = {
    "name": Leaf((str,), own_name_fault),
    "image": TEXT,
    "command": TEXTS,
    "args": TEXTS,
    "workingDir": TEXT,
    "env": Items(
        {
            "name": Leaf((str,), env_name_fault),
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
    "resources": {
        "limits": QUANTITIES,
        "requests": QUANTITIES,
        "claims": Unset("devices by claim are not offered: use limits, for example nvidia.com/gpu: 1"),
    },
    "volumeMounts": Items(
        {
            "name": Leaf((str,), own_name_fault),
            "mountPath": Leaf((str,), mount_path_fault),
            "subPath": TEXT,
            "subPathExpr": Unset("use subPath"),
            "readOnly": BOOL,
            "recursiveReadOnly": Leaf((str,), only("Disabled", "IfPossible", "Enabled")),
            "mountPropagation": Leaf((str,), only("None")),
        }
    ),
    "ports": Items({"name": TEXT, "containerPort": NUMBER, "protocol": TEXT, "hostPort": NO_HOST_PORT, "hostIP": NO_HOST_PORT}),
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
    "lifecycle": Unset("prepare in an init container, and trap TERM in the agent"),
    "restartPolicy": Unset(RESTARTS),
    "restartPolicyRules": Unset("use outcomes of the RunPolicy"),
    "resizePolicy": Unset("delete the Run and create it with other resources"),
    "volumeDevices": Unset("use volumeMounts"),
}
INIT_CONTAINER = {**CONTAINER, "restartPolicy": Leaf((str,), only("Always", why="leave it out for a container that ends"))}

VOLUME = {
    "name": Leaf((str,), own_name_fault),
    "emptyDir": {"medium": TEXT, "sizeLimit": QUANTITY},
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
                "serviceAccountToken": Leaf((dict,), token_fault),
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
    "schedulingGates": Items({"name": Leaf((str,), gate_fault)}),
    "priorityClassName": Leaf((str,), priority_fault),
    "imagePullSecrets": Items({"name": TEXT}),
    "terminationGracePeriodSeconds": GRACE,
    "restartPolicy": Leaf((str,), only("Never", why=f"{RESTARTS}; leave it out")),
    "automountServiceAccountToken": Leaf((bool,), only(False, why=NO_TOKEN)),
    "enableServiceLinks": BOOL,
    "securityContext": POD_SECURITY,
    "dnsPolicy": Leaf((str,), only("ClusterFirst", "None", why="the node's resolver knows the node's network")),
    "dnsConfig": {"nameservers": TEXTS, "searches": TEXTS, "options": Items({"name": TEXT, "value": TEXT})},
    "hostAliases": Items({"ip": TEXT, "hostnames": TEXTS}),
    "setHostnameAsFQDN": FALSE,
    "hostUsers": BOOL,
    "hostNetwork": FALSE,
    "hostPID": FALSE,
    "hostIPC": FALSE,
    "shareProcessNamespace": Unset("the reporter sets it: use reporter of the RunPolicy"),
    "serviceAccountName": Unset(NO_TOKEN, "default"),
    "serviceAccount": Unset(NO_TOKEN, "default"),
    "nodeName": Unset("use nodeSelector or affinity"),
    "activeDeadlineSeconds": Unset("use the Run's spec.activeDeadlineSeconds"),
    "priority": Unset("use priorityClassName", 0),
    "preemptionPolicy": Unset("use priorityClassName, of a class with that preemptionPolicy", "PreemptLowerPriority"),
    "os": Unset("agents run on Linux: leave it out", {"name": "linux"}),
    "hostname": Unset("the pod's own name is its host name: an agent reads RUNWATCHMAN_RUN and RUNWATCHMAN_AGENT"),
    "subdomain": Unset("no Service leads to agents: leave it out"),
    "ephemeralContainers": Unset("kubectl debug adds them to a running pod"),
    "readinessGates": Unset("use readinessProbe"),
    "overhead": Unset("the RuntimeClass sets it"),
    "resources": Unset("use resources of the containers"),
    "resourceClaims": Unset("devices by claim are not offered: use resources.limits, for example nvidia.com/gpu: 1"),
}

METADATA = {
    "labels": Values(TEXT, refused_label),
    "annotations": Values(TEXT, refused_annotation),
    **dict.fromkeys(("name", "generateName", "namespace", "creationTimestamp", "uid", "resourceVersion", "selfLink"), TEXT),
    "generation": NUMBER,
    "managedFields": Leaf((list,)),
    "finalizers": Unset("the operator sets its own"),
    "ownerReferences": Unset("the Run owns the pod"),
}

TEMPLATE = {
    "apiVersion": Leaf((str,), only("v1", why="give a Pod, or the spec.template of a Deployment or Job")),
    "kind": Leaf((str,), only("Pod", why="give a Pod, or the spec.template of a Deployment or Job")),
    "metadata": METADATA,
    "spec": POD,
    "status": Leaf((dict,)),
}

PLACES = places(
    {
        "metadata": allowed(METADATA),
        "spec": allowed(POD),
        "spec.containers[]": allowed(CONTAINER),
        "spec.securityContext": allowed(POD_SECURITY),
        "spec.containers[].securityContext": allowed(CONTAINER_SECURITY),
    }
)


def template_hint(key: str, here: Iterable[str]) -> str:
    """Return what to do about a field that is not allowed in a template."""
    return any_hint(key, here, PLACES)
