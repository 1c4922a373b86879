"""Attacks in an author's pod templates, with the path and the reason of the operator's refusal: the table of test_attempts.py."""

from __future__ import annotations

from typing import Any

from tests.api.attempts import HOME, TEMPLATES, Attempt, By
from tests.api.forged_requests import owner

AT, BOX = "spec.agents[0].template", "spec.containers[0]"


def template(what: str, path: str, says: str, **parts: Any) -> tuple[Attempt, dict[str, Any]]:
    """A template with `pod`, `box` (its container), `metadata`, `volume`, `init` or `mount`; the path that is refused and why."""
    box = {"name": "agent", "image": "x"} | parts.get("box", {})
    spec: dict[str, Any] = {"containers": [box]} | parts.get("pod", {})
    if "volume" in parts:
        spec["volumes"] = [{"name": "v"} | parts["volume"]]
    if "mount" in parts:
        box["volumeMounts"] = [{"name": "v", "mountPath": "/v"} | parts["mount"]]
    if "init" in parts:
        spec["initContainers"] = [{"name": "i", "image": "x"} | parts["init"]]
    attempt = Attempt("author", what, By.OPERATOR, f"{AT}.{path}", (says,), None, TEMPLATES)
    return attempt, {"metadata": parts.get("metadata", {}), "spec": spec}


ONLY_FALSE, NOT_ALLOWED = "only false is allowed", "this field is not allowed"
INSIDE = {"name": "agent", "image": "x"}
TRICKS = (
    template("the node's disk", "spec.volumes[0].hostPath", NOT_ALLOWED, volume={"hostPath": {"path": "/"}}),
    template("the node's processes", "spec.hostPID", ONLY_FALSE, pod={"hostPID": True}),
    template("the node's network", "spec.hostNetwork", ONLY_FALSE, pod={"hostNetwork": True}),
    template("the node's IPC", "spec.hostIPC", ONLY_FALSE, pod={"hostIPC": True}),
    template("privileges", f"{BOX}.securityContext.privileged", ONLY_FALSE, box={"securityContext": {"privileged": True}}),
    template(
        "privileges by setuid",
        f"{BOX}.securityContext.allowPrivilegeEscalation",
        ONLY_FALSE,
        box={"securityContext": {"allowPrivilegeEscalation": True}},
    ),
    template(
        "privileges in an init container",
        "spec.initContainers[0].securityContext.privileged",
        ONLY_FALSE,
        init={"securityContext": {"privileged": True}},
    ),
    template(
        "root, for the pod", "spec.securityContext.runAsUser", "may not run as root", pod={"securityContext": {"runAsUser": 0}}
    ),
    template(
        "root, for the container",
        f"{BOX}.securityContext.runAsUser",
        "may not run as root",
        box={"securityContext": {"runAsUser": 0}},
    ),
    template(
        "root's group", f"{BOX}.securityContext.runAsGroup", "may not run as root", box={"securityContext": {"runAsGroup": 0}}
    ),
    template(
        "the image's own user", f"{BOX}.securityContext.runAsNonRoot", "only true", box={"securityContext": {"runAsNonRoot": False}}
    ),
    template(
        "the reporter's user",
        f"{BOX}.securityContext.runAsUser",
        "is reserved for the reporter",
        box={"securityContext": {"runAsUser": 10002}},
    ),
    template(
        "a capability",
        f"{BOX}.securityContext.capabilities.add",
        "no capability",
        box={"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    ),
    template(
        "an unmasked /proc",
        f"{BOX}.securityContext.procMount",
        'only "Default" is allowed',
        box={"securityContext": {"procMount": "Unmasked"}},
    ),
    template(
        "every system call, for the pod",
        "spec.securityContext.seccompProfile.type",
        "RuntimeDefault",
        pod={"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    ),
    template(
        "every system call, for the container",
        f"{BOX}.securityContext.seccompProfile.type",
        "RuntimeDefault",
        box={"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    ),
    template(
        "no AppArmor, by field",
        f"{BOX}.securityContext.appArmorProfile",
        'only {"type": "RuntimeDefault"} is allowed',
        box={"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    ),
    template(
        "no AppArmor, by annotation",
        "metadata.annotations",
        "confinement",
        metadata={"annotations": {"container.apparmor.security.beta.kubernetes.io/agent": "unconfined"}},
    ),
    template(
        "another SELinux type",
        "spec.securityContext.seLinuxOptions",
        NOT_ALLOWED,
        pod={"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    ),
    template(
        "a Windows host process",
        "spec.securityContext.windowsOptions",
        NOT_ALLOWED,
        pod={"securityContext": {"windowsOptions": {"hostProcess": True}}},
    ),
    template(
        "a kernel setting",
        "spec.securityContext.sysctls",
        NOT_ALLOWED,
        pod={"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    ),
    template("another service account", "spec.serviceAccountName", NOT_ALLOWED, pod={"serviceAccountName": "operator"}),
    template("another service account, the old way", "spec.serviceAccount", NOT_ALLOWED, pod={"serviceAccount": "operator"}),
    template("a mounted token", "spec.automountServiceAccountToken", ONLY_FALSE, pod={"automountServiceAccountToken": True}),
    template(
        "a projected token",
        "spec.volumes[0].projected.sources[0].serviceAccountToken",
        NOT_ALLOWED,
        volume={"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ),
    template(
        "the reporter's token, by mount",
        f"{BOX}.volumeMounts[0].name",
        "reserved for the operator",
        mount={"name": "runwatchman-token"},
    ),
    template(
        "the reporter's token, by volume",
        "spec.volumes[0].name",
        "reserved for the operator",
        volume={"name": "runwatchman-token", "emptyDir": {}},
    ),
    template(
        "the reporter's place", "spec.initContainers[0].name", "reserved for the operator", init={"name": "runwatchman-reporter"}
    ),
    template(
        "the reporter's directory, by a detour",
        f"{BOX}.volumeMounts[0].mountPath",
        "reserved for the operator",
        volume={"emptyDir": {}},
        mount={"mountPath": "/v/../runwatchman/bin"},
    ),
    template("an ephemeral container", "spec.ephemeralContainers", NOT_ALLOWED, pod={"ephemeralContainers": [INSIDE]}),
    template("a port of the node", f"{BOX}.ports[0].hostPort", NOT_ALLOWED, box={"ports": [{"containerPort": 80, "hostPort": 80}]}),
    template("a node past the scheduler", "spec.nodeName", NOT_ALLOWED, pod={"nodeName": "node-0"}),
    template(
        "the cluster's own priority",
        "spec.priorityClassName",
        "reserved for the cluster",
        pod={"priorityClassName": "system-node-critical"},
    ),
    template("a priority by number", "spec.priority", NOT_ALLOWED, pod={"priority": 2000001000}),
    template("a CSI volume", "spec.volumes[0].csi", NOT_ALLOWED, volume={"csi": {"driver": "secrets-store.csi.k8s.io"}}),
    template("a network disk", "spec.volumes[0].nfs", NOT_ALLOWED, volume={"nfs": {"server": "s", "path": "/"}}),
    template("an ephemeral claim", "spec.volumes[0].ephemeral", NOT_ALLOWED, volume={"ephemeral": {}}),
    template("a volume of an image", "spec.volumes[0].image", NOT_ALLOWED, volume={"image": {"reference": "x"}}),
    template(
        "a raw block device", f"{BOX}.volumeDevices", NOT_ALLOWED, box={"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}
    ),
    template(
        "mounts on the node",
        f"{BOX}.volumeMounts[0].mountPropagation",
        'only "None" is allowed',
        mount={"mountPropagation": "Bidirectional"},
    ),
    template("a device by claim", "spec.resourceClaims", NOT_ALLOWED, pod={"resourceClaims": [{"name": "gpu"}]}),
    template("others' processes", "spec.shareProcessNamespace", NOT_ALLOWED, pod={"shareProcessNamespace": True}),
    template(
        "the kubelet as a proxy, by probe",
        f"{BOX}.livenessProbe.httpGet.host",
        NOT_ALLOWED,
        box={"livenessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}},
    ),
    template(
        "the kubelet as a proxy, by hook",
        f"{BOX}.lifecycle",
        NOT_ALLOWED,
        box={"lifecycle": {"postStart": {"httpGet": {"host": "169.254.169.254", "port": 80}}}},
    ),
    template("a container that outlives its end", "spec.restartPolicy", 'only "Never"', pod={"restartPolicy": "Always"}),
    template("more time than the Run's", "spec.activeDeadlineSeconds", NOT_ALLOWED, pod={"activeDeadlineSeconds": 999}),
    template(
        "another attempt's number",
        f"{BOX}.env[0].name",
        "reserved for the operator",
        box={"env": [{"name": "RUNWATCHMAN_ATTEMPT", "value": "9"}]},
    ),
    template(
        "another Run's label", "metadata.labels", "reserved for the operator", metadata={"labels": {"runwatchman.dev/run-uid": "u"}}
    ),
    template(
        "an annotation of the operator's",
        "metadata.annotations",
        "reserved for the operator",
        metadata={"annotations": {"runwatchman.dev/ending-at": "x"}},
    ),
    template("a finalizer", "metadata.finalizers", NOT_ALLOWED, metadata={"finalizers": ["example.com/stay"]}),
    template("another owner", "metadata.ownerReferences", NOT_ALLOWED, metadata={"ownerReferences": owner("u")}),
    template("another namespace", "metadata.namespace", "pods run in the Run's namespace", metadata={"namespace": HOME}),
    template(
        "the operator's gate",
        "spec.schedulingGates[0].name",
        "reserved for the operator",
        pod={"schedulingGates": [{"name": "runwatchman.dev/admitted"}]},
    ),
)
"""The attack in an author's template, and the template."""
