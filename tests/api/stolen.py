"""Attempts with the operator's token, beyond its RBAC: a table of test_attempts.py.

Each pod, claim and binding here is one that the operator creates, with one thing changed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from controller.api.base import JsonObject
from controller.api.checks import parse_run_spec
from controller.api.pod_policy import Provision
from controller.api.policy import RunPolicySpec
from controller.api.tasks import TaskKind
from controller.plan.snapshot import RunFacts
from controller.reconcile.actions.reporter_rbac import RBAC, account, binding
from controller.resources.claim_builder import build_claim
from controller.resources.network_policy_builder import AgentsNetwork, network_policy
from controller.resources.pod_builder import Cloning, build_pod
from controller.resources.publishing_pod import Publication
from controller.resources.reporter_sidecar import Sidecar
from controller.resources.task_pod_builder import Task, build_task_pod
from tests.api.attempts import HOME, NAMESPACE, REPORTER, Attempt, By, create, patch, run_
from tests.api.forged_requests import owner
from tests.cluster.releases import is_before

SYSTEM = "kube-system"
STRONG, BYSTANDER = "strong", "bystander"
"""An account and a pod of the namespace that are not the operator's."""

UNCHANGED: JsonObject = {}


SOURCE = {"git": {"url": "https://git.example/x.git", "secretName": "clone"}}
TASKS = {
    "verify": {"command": ["true"]},
    "publish": {"git": {"branch": "b", "secretName": "push"}, "command": {"command": ["true"]}},
}
AGENT = {"name": "coder", "image": "x", "workspace": {"source": SOURCE}, **TASKS}
SPEC = parse_run_spec({"spec": {"agents": [AGENT]}})
RUN = RunFacts(NAMESPACE, "r", "$r", 1, SPEC)
"""Run r of the world, with a workspace and its source."""


def genuine() -> JsonObject:
    """A pod as the operator builds it."""
    return build_pod(RUN, SPEC.agents[0], 7, sidecar=Sidecar("x"), cloning=Cloning("x"))


def task(
    kind: TaskKind = TaskKind.PUBLISH, metadata: JsonObject | None = None, *, box: JsonObject | None = None, **spec: Any
) -> JsonObject:
    """A pod of a task as the operator builds it, with other metadata, fields of its command's container, or of its spec."""
    wanted = Task(kind, 7, publication=Publication("", "", datetime(2026, 1, 1, tzinfo=UTC)))
    made = build_task_pod(RUN, SPEC.agents[0], wanted, "x", RunPolicySpec(), Provision())
    made["metadata"] |= metadata or {}
    made["spec"] |= spec
    made["spec"]["containers"][0] |= box or {}
    return made


def pod(
    metadata: JsonObject | None = None, *, box: JsonObject | None = None, init: JsonObject | None = None, **spec: Any
) -> JsonObject:
    """The same pod with other metadata, fields of its agent's container, of its reporter's, or of its spec."""
    made = genuine()
    made["metadata"] |= metadata or {}
    made["spec"] |= spec
    made["spec"]["containers"][0] |= box or {}
    made["spec"]["initContainers"][0] |= init or {}
    return made


def confined(**fields: Any) -> JsonObject:
    """A container's security context with other fields than the operator's."""
    return {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}} | fields}


def secured(**fields: Any) -> JsonObject:
    """A pod's security context with other fields than the operator's."""
    context: JsonObject = genuine()["spec"]["securityContext"]
    return context | fields


def volumes(*more: JsonObject) -> list[JsonObject]:
    """The pod's volumes and others."""
    return [*genuine()["spec"]["volumes"], *({"name": f"v{i}", **each} for i, each in enumerate(more))]


def stolen(what: str, says: str, made: JsonObject, namespace: str = NAMESPACE) -> Attempt:
    """A create with the operator's token."""
    return create("operator", what, By.ADMISSION, says, without_namespace(made), namespace=namespace)


def changed(what: str, says: str, target: str, body: Any, *flags: str) -> Attempt:
    """A patch with the operator's token."""
    return patch("operator", what, By.ADMISSION, says, target, body, *flags)


def without_namespace(made: JsonObject) -> JsonObject:
    """An object for any namespace in which it is created."""
    return made | {"metadata": {key: value for key, value in made["metadata"].items() if key != "namespace"}}


def claim(metadata: JsonObject = UNCHANGED, **spec: Any) -> JsonObject:
    """A claim as the operator builds it, with one thing changed."""
    made = build_claim(RUN, SPEC.agents[0])
    return made | {"metadata": made["metadata"] | metadata, "spec": made["spec"] | spec}


def network(metadata: JsonObject = UNCHANGED, **spec: Any) -> JsonObject:
    """The agents' NetworkPolicy as the operator builds it, with one thing changed."""
    made = network_policy(AgentsNetwork(), ())
    return made | {"metadata": made["metadata"] | metadata, "spec": made["spec"] | spec}


def bound(
    role: str, kind: str = "ServiceAccount", name: str = "runwatchman-reporter", called: str = "runwatchman-reporter"
) -> JsonObject:
    """A RoleBinding as the operator builds it, with one thing changed."""
    made = binding(NAMESPACE)
    place = {"namespace": NAMESPACE} if kind == "ServiceAccount" else {"apiGroup": RBAC}
    return made | {
        "metadata": {"name": called},
        "roleRef": made["roleRef"] | {"name": role},
        "subjects": [{"kind": kind, "name": name, **place}],
    }


SELECTED = "writes the NetworkPolicy runwatchman-agents only"
OWNERS = "one controller of kind Run"
CONFINED, SECURED, ALONE = "each container of a pod", "a pod that the operator creates is restricted", "shares no namespace"
MOUNTS, FENCED, PLACE = "configMap, downwardAPI", "has the scheduling gate", "creates nothing in its own namespace"
APPARMOR = SECURED if is_before("1.34") else CONFINED
"""API servers before 1.34 copy a container's AppArmor profile into an annotation of its pod, which is refused first."""
CLONED = "only the init container runwatchman-source mounts"
CREDENTIAL = {"name": "runwatchman-source", "mountPath": "/secret"}
PRIVATE_KEY = {"name": "runwatchman-source-tmp", "mountPath": "/key"}
PUSHED = "only the container of a publishing pod that pushes"
PUSH_CREDENTIAL = {"name": "runwatchman-push", "mountPath": "/secret"}
PUSH_VOLUMES = [volume for volume in task()["spec"]["volumes"] if volume["name"].startswith("runwatchman-push")]
COPY_VOLUMES = task(TaskKind.VERIFY)["spec"]["volumes"]
PUSH_KEY = {"name": "runwatchman-push-tmp", "mountPath": "/key"}
NAMED = "is named <run>-<agent>-r<attempt>"
TASK_LABELS = task()["metadata"]["labels"]
REPORTER_ALONE = genuine()["spec"]["initContainers"][:1]
UNCONFINED = {"type": "Unconfined"}
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/agent"
TOKEN = {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
OURS = genuine()["metadata"]["finalizers"]
TWO_OWNERS = genuine()["metadata"]["ownerReferences"] + owner("v")
LABELS = genuine()["metadata"]["labels"]

PODS = (
    stolen("a privileged pod", CONFINED, pod(box=confined(privileged=True, allowPrivilegeEscalation=True))),
    stolen("a privileged init container", CONFINED, pod(init=confined(privileged=True, allowPrivilegeEscalation=True))),
    stolen("privileges by setuid", CONFINED, pod(box=confined(allowPrivilegeEscalation=None))),
    stolen("an added capability", CONFINED, pod(box=confined(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}))),
    stolen("capabilities kept", CONFINED, pod(box=confined(capabilities={"drop": ["NET_RAW"]}))),
    stolen("a container's root", CONFINED, pod(box=confined(runAsUser=0))),
    stolen("a container that may be root", CONFINED, pod(box=confined(runAsNonRoot=False))),
    stolen("a container without seccomp", CONFINED, pod(box=confined(seccompProfile=UNCONFINED))),
    stolen("a container without AppArmor", APPARMOR, pod(box=confined(appArmorProfile=UNCONFINED))),
    stolen("a container with labels of SELinux", CONFINED, pod(box=confined(seLinuxOptions={"type": "spc_t"}))),
    stolen("a container with a user of SELinux", CONFINED, pod(box=confined(seLinuxOptions={"user": "system_u"}))),
    stolen("a pod with a type of SELinux", SECURED, pod(securityContext=secured(seLinuxOptions={"type": "spc_t"}))),
    stolen("a pod with a role of SELinux", SECURED, pod(securityContext=secured(seLinuxOptions={"role": "system_r"}))),
    stolen("a pod without seccomp, by annotation", SECURED, pod({"annotations": {SECCOMP: "unconfined"}})),
    stolen("an agent with the reporter's user", "a user of its own", pod(box=confined(runAsUser=10002))),
    stolen("a pod with the reporter's user", "a user of its own", pod(securityContext=secured(runAsUser=10002))),
    stolen("a reporter with the agent's user", "a user of its own", pod(init=confined(runAsUser=10001))),
    stolen("a reporter without a user", "a user of its own", pod(init=confined())),
    stolen("an agent without a user", "a user of its own", pod(securityContext=secured(runAsUser=None))),
    stolen("a pod that may be root", SECURED, pod(securityContext=secured(runAsNonRoot=None))),
    stolen("a pod's root", SECURED, pod(securityContext=secured(runAsUser=0))),
    stolen("a pod without seccomp", SECURED, pod(securityContext=secured(seccompProfile=UNCONFINED))),
    stolen("a pod without AppArmor", SECURED, pod(securityContext=secured(appArmorProfile=UNCONFINED))),
    stolen("a kernel's setting", SECURED, pod(securityContext=secured(sysctls=[{"name": "kernel.msgmax", "value": "1"}]))),
    stolen("a host process of Windows", SECURED, pod(securityContext=secured(windowsOptions={"runAsUserName": "admin"}))),
    stolen("the host's network", ALONE, pod(hostNetwork=True)),
    stolen("the host's processes", ALONE, pod(hostPID=True, shareProcessNamespace=None)),
    stolen("the host's IPC", ALONE, pod(hostIPC=True)),
    stolen("a port of the host", ALONE, pod(box={"ports": [{"containerPort": 80, "hostPort": 80}]})),
    stolen("the host's disk", MOUNTS, pod(volumes=volumes({"hostPath": {"path": "/"}}))),
    stolen("a disk of the network", MOUNTS, pod(volumes=volumes({"nfs": {"server": "nfs", "path": "/"}}))),
    stolen("a driver's disk", MOUNTS, pod(volumes=volumes({"csi": {"driver": "secrets-store.csi.k8s.io"}}))),
    stolen("the token of the default account", MOUNTS, pod(serviceAccountName="default")),
    stolen("another account", "no service account but", pod(serviceAccountName=STRONG)),
    stolen("a token mounted", "no service account but", pod(automountServiceAccountToken=True)),
    stolen("a place before all others", "no priority", pod(priorityClassName="system-node-critical")),
    stolen("a pod without owner", OWNERS, pod({"ownerReferences": []})),
    stolen("a pod of two owners", OWNERS, pod({"ownerReferences": TWO_OWNERS})),
    stolen("a pod of another kind's", OWNERS, pod({"ownerReferences": owner("$r", "RunPolicy")})),
    stolen("a pod that its owner does not control", OWNERS, pod({"ownerReferences": owner("$r")})),
    stolen("a pod without labels", OWNERS, pod({"labels": {}})),
    stolen("a pod with another Run's label", OWNERS, pod({"labels": LABELS | {"runwatchman.dev/run-uid": "v"}})),
    stolen("a pod of another name", NAMED, pod({"name": "etcd"})),
    stolen("a pod without gate", FENCED, pod(schedulingGates=[])),
    stolen("a pod on a node of choice", FENCED, pod(schedulingGates=[], nodeName="node-0")),
    stolen("a pod without finalizer", FENCED, pod({"finalizers": []})),
    stolen("a pod that cannot go", FENCED, pod({"finalizers": ["runwatchman.dev/outcome", "example.com/stay"]})),
    stolen("a pod that waits for a Kueue that does not hold it", FENCED, pod({"finalizers": [*OURS, "kueue.x-k8s.io/managed"]})),
    stolen("a call from the node", "the kubelet calls nobody", pod(box={"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}})),
    stolen(
        "a probe of another host",
        "the kubelet calls nobody",
        pod(box={"livenessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}}),
    ),
    stolen("an agent with the clone's credential", CLONED, pod(box={"volumeMounts": [CREDENTIAL]})),
    stolen("a reporter with the clone's credential", CLONED, pod(init={"volumeMounts": [CREDENTIAL]})),
    stolen("an agent with the clone's private key", CLONED, pod(box={"volumeMounts": [PRIVATE_KEY]})),
    stolen("an agent with the clone's name", CLONED, pod(box={"name": "runwatchman-source"}, initContainers=REPORTER_ALONE)),
    stolen("a task's pod of another name", NAMED, task(metadata={"name": "r-coder-r7-publish"})),
    stolen("a task's pod with a longer name", NAMED, task(metadata={"name": "r-coder-r7-publish0-publish0"})),
    stolen("a task's pod that is named as an attempt's", NAMED, task(metadata={"name": "r-coder-r7"})),
    stolen("an agent's pod that is named as a task's", NAMED, pod({"name": "r-coder-r7-verify0"})),
    stolen(
        "a task of another kind",
        NAMED,
        task(metadata={"name": "r-coder-r7-mine0", "labels": TASK_LABELS | {"runwatchman.dev/task": "mine"}}),
    ),
    stolen("a task without gate", FENCED, task(schedulingGates=[])),
    stolen("a task without finalizer", FENCED, task(metadata={"finalizers": []})),
    stolen("a task's root", SECURED, task(securityContext=secured(runAsUser=0))),
    stolen("a command with the credential to push", PUSHED, task(box={"volumeMounts": [PUSH_CREDENTIAL]})),
    stolen("a command with the private key to push", PUSHED, task(box={"volumeMounts": [PUSH_KEY]})),
    stolen("a command that pushes", PUSHED, task(box={"name": "runwatchman-publish"}, initContainers=[])),
    stolen(
        "a verification with the credential to push",
        PUSHED,
        task(TaskKind.VERIFY, box={"name": "publish", "volumeMounts": [PUSH_CREDENTIAL]}, volumes=[*COPY_VOLUMES, *PUSH_VOLUMES]),
    ),
    stolen(
        "an agent with the credential to push",
        PUSHED,
        pod(box={"name": "publish", "volumeMounts": [PUSH_CREDENTIAL]}, volumes=[*genuine()["spec"]["volumes"], *PUSH_VOLUMES]),
    ),
    stolen("a pod in kube-system", PLACE, pod(serviceAccountName="default"), SYSTEM),
    stolen("a pod in its own namespace", PLACE, pod(serviceAccountName="default"), HOME),
)

OBJECTS = (
    stolen("a claim without owner", OWNERS, claim({"ownerReferences": []})),
    stolen("a claim on somebody's volume", "a new and empty volume", claim(volumeName="theirs")),
    stolen(
        "a copy of somebody's claim",
        "a new and empty volume",
        claim(dataSource={"kind": "PersistentVolumeClaim", "name": "s-coder-workspace"}),
    ),
    stolen("a raw disk", "a new and empty volume", claim(volumeMode="Block")),
    stolen("a claim of another name", "is named <run>-<agent>-workspace", claim({"name": "theirs"})),
    stolen("a claim in kube-system", PLACE, claim(), SYSTEM),
    stolen("an account of another name", "no ServiceAccount but runwatchman-reporter", account() | {"metadata": {"name": "mine"}}),
    stolen("an account whose token is mounted", "no ServiceAccount but", account() | {"automountServiceAccountToken": True}),
    stolen("an account in kube-system", PLACE, account(), SYSTEM),
    stolen("its own role for the reporters", "binds the ClusterRole", bound("runwatchman-operator")),
    stolen("its role for another account", "binds the ClusterRole", bound(REPORTER, name="default")),
    stolen("the reporters' role for everybody", "binds the ClusterRole", bound(REPORTER, "Group", "system:authenticated")),
    stolen("a binding of another name", "binds the ClusterRole", bound(REPORTER, called="mine")),
    stolen("a binding in kube-system", PLACE, bound(REPORTER), SYSTEM),
    stolen("a network policy for everybody's pods", SELECTED, network(podSelector={})),
    stolen("a network policy for others' pods", SELECTED, network(podSelector={"matchLabels": {"app": "bank"}})),
    stolen("a network policy of another name", SELECTED, network({"name": "theirs"})),
    stolen("agents whom everybody reaches", "lets nothing in", network(ingress=[{}])),
    stolen("agents that reach everything by no rule", "for both directions", network(policyTypes=["Ingress"], egress=None)),
    stolen("a network policy in kube-system", PLACE, network(), SYSTEM),
)

GATED = "pod/r-coder-r0"


def respecified(what: str, op: str, path: str, value: Any) -> Attempt:
    """A change of an agent's pod's spec with the operator's token."""
    body = json.dumps([{"op": op, "path": path, "value": value}])
    says = "schedulingGates and activeDeadlineSeconds only"
    return Attempt("operator", what, By.ADMISSION, says, ("patch", GATED, "--type=json", "-p", body))


CHANGES = (
    changed("another's pod relabelled", "agents' pods only", f"pod/{BYSTANDER}", {"metadata": {"labels": {"a": "b"}}}),
    changed("another's pod with a deadline", "agents' pods only", f"pod/{BYSTANDER}", {"spec": {"activeDeadlineSeconds": 1}}),
    run_("operator", "another's pod gone", By.ADMISSION, "agents' pods only", "delete", "pod", BYSTANDER),
    changed("an agent's pod without its Run", "neither labels nor owners", GATED, {"metadata": {"ownerReferences": None}}),
    changed(
        "an agent's pod with another label", "neither labels", GATED, {"metadata": {"labels": {"runwatchman.dev/attempt": "7"}}}
    ),
    changed(
        "an agent's brief", "runwatchman.dev/ending-at only", GATED, {"metadata": {"annotations": {"runwatchman.dev/brief": "x"}}}
    ),
    changed("an agent's note gone", "ending-at only", GATED, {"metadata": {"annotations": {"runwatchman.dev/brief": None}}}),
    changed("an agent's pod that cannot go", "finalizer", GATED, {"metadata": {"finalizers": ["example.com/stay"]}}),
    respecified("an agent's pod that stays on any node", "add", "/spec/tolerations/-", {"operator": "Exists"}),
    respecified("another image in an agent's pod", "replace", "/spec/containers/0/image", "evil"),
    changed("a paused Run goes on", "the spec of no Run", "run/paused", {"spec": {"desiredState": "Running"}}),
    changed("a Run with a larger budget", "the spec of no Run", "run/r", {"spec": {"tokenBudget": 99}}),
    changed("a Run's label", "runwatchman.dev/operator-state only", "run/r", {"metadata": {"labels": {"a": "b"}}}),
    changed("a Run that cannot go", "operator-state only", "run/r", {"metadata": {"finalizers": ["example.com/stay"]}}),
)

STOLEN = PODS + OBJECTS + CHANGES
