"""An emulation of OpenShift's SecurityContextConstraints restricted-v2 and nonroot-v2, by a webhook.

The rules are those of the default constraints, in words of ours: what a pod leaves out is filled in, and then all of it is checked.
- https://docs.okd.io/latest/authentication/managing-security-context-constraints.html
- https://github.com/openshift/cluster-kube-apiserver-operator/tree/master/bindata/bootkube/scc-manifests
- https://github.com/openshift/apiserver-library-go/tree/master/pkg/securitycontextconstraints (order, ranges, who may use one)
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from controller.api.base import JsonObject
from tests.api.pod_webhook import Decide, deciding
from tests.cluster import Cluster

FIRST, SIZE, LEVEL = 1000660000, 10000, "s0:c26,c5"
LAST = FIRST + SIZE - 1
ANNOTATIONS = {
    "openshift.io/sa.scc.uid-range": f"{FIRST}/{SIZE}",
    "openshift.io/sa.scc.supplemental-groups": f"{FIRST}/{SIZE}",
    "openshift.io/sa.scc.mcs": LEVEL,
}
"""What OpenShift gives a new project."""

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"}
DEFAULT = {"type": "RuntimeDefault"}
REFUSED = "unable to validate against any security context constraint"


class Constraint(NamedTuple):
    """A constraint: `ranged` ones admit the project's users and first group only, others any user but root."""

    name: str
    ranged: bool


RESTRICTED, NONROOT = Constraint("restricted-v2", True), Constraint("nonroot-v2", False)


def containers(pod: JsonObject) -> list[JsonObject]:
    """Return all containers of a pod."""
    return [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]


def fill(pod: JsonObject, constraint: Constraint) -> None:
    """Set what the pod leaves out and the constraint prescribes."""
    context = pod["spec"].setdefault("securityContext", {})
    context.setdefault("seLinuxOptions", {"level": LEVEL})
    context.setdefault("seccompProfile", DEFAULT)
    if constraint.ranged:
        context.setdefault("fsGroup", FIRST)
    pod["metadata"].setdefault("annotations", {})["openshift.io/scc"] = constraint.name
    pod["metadata"]["annotations"]["seccomp.security.alpha.kubernetes.io/pod"] = "runtime/default"
    for container in containers(pod):
        own = container.setdefault("securityContext", {})
        if constraint.ranged and "runAsUser" not in context | own:
            own["runAsUser"] = FIRST
        if "runAsNonRoot" not in context | own:
            own["runAsNonRoot"] = True
        own.setdefault("allowPrivilegeEscalation", False)
        dropped = own.setdefault("capabilities", {}).setdefault("drop", [])
        if "ALL" not in dropped:
            dropped.append("ALL")


def faults(pod: JsonObject, constraint: Constraint) -> Iterator[str]:
    """Yield why a filled pod is not admitted."""
    spec, context = pod["spec"], pod["spec"]["securityContext"]
    yield from (f"{field} is not allowed" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    for volume in spec.get("volumes") or []:
        yield from (f"{kind} volumes are not allowed" for kind in volume if kind not in {"name", *VOLUMES})
    if constraint.ranged and context.get("fsGroup") != FIRST:
        yield f"fsGroup: {context.get('fsGroup')} is not an allowed group"
    for container in containers(pod):
        own = context | container["securityContext"]
        yield from (f"containers[{container['name']}].{fault}" for fault in container_faults(own, container, constraint))


def container_faults(own: JsonObject, container: JsonObject, constraint: Constraint) -> Iterator[str]:
    """Yield what is wrong with a container whose effective context is `own`."""
    user, capabilities = own.get("runAsUser", -1), own["capabilities"]
    if constraint.ranged and not FIRST <= user <= LAST:
        yield f"runAsUser: {user} must be in the ranges: [{FIRST}, {LAST}]"
    if user == 0 or own.get("runAsNonRoot") is not True:
        yield "runAsUser: running with the root UID is forbidden"
    if own.get("privileged") or own["allowPrivilegeEscalation"]:
        yield "privileged and allowPrivilegeEscalation: not allowed"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"} or "ALL" not in capabilities["drop"]:
        yield f"capabilities: {capabilities} may not be used"
    if own["seccompProfile"] != DEFAULT:
        yield f"seccompProfile: {own['seccompProfile']} is not allowed"
    if own["seLinuxOptions"].get("level") != LEVEL:
        yield f"seLinuxOptions: must be {LEVEL}"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "hostPort: not allowed"


def admit(pod: JsonObject, usable: Callable[[Constraint], bool]) -> tuple[JsonObject | None, list[str]]:
    """Return the pod as the first usable constraint fills it in and admits it, else the reasons of each."""
    reasons = []
    for constraint in (RESTRICTED, NONROOT):
        if not usable(constraint):
            reasons.append(f"provider {constraint.name}: not usable by user or serviceaccount")
            continue
        filled = copy.deepcopy(pod)
        fill(filled, constraint)
        found = list(faults(filled, constraint))
        if not found:
            return filled, []
        reasons += [f"provider {constraint.name}: {fault}" for fault in found]
    return None, reasons


def may_use(cluster: Cluster, namespace: str, user: str, name: str) -> bool:
    """Whether RBAC lets a user use a constraint in a namespace."""
    attributes = {"group": "security.openshift.io", "resource": "securitycontextconstraints", "verb": "use", "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {**attributes, "namespace": namespace}},
    }
    answer = cluster.kubectl(
        "create", "--raw", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "-f", "-", stdin=json.dumps(review)
    )
    return bool(json.loads(answer)["status"]["allowed"])


def decision(cluster: Cluster) -> Decide:
    """Return the function that decides about pods; every authenticated user may use restricted-v2."""

    def decide(request: JsonObject) -> JsonObject | str:
        pod, namespace = request["object"], request["namespace"]
        account = f"system:serviceaccount:{namespace}:{pod['spec'].get('serviceAccountName', 'default')}"
        users = (request["userInfo"]["username"], account)

        def usable(constraint: Constraint) -> bool:
            return constraint is RESTRICTED or any(may_use(cluster, namespace, user, constraint.name) for user in users)

        filled, reasons = admit(pod, usable)
        return filled or f"{REFUSED}: {reasons}"

    return decide


@contextmanager
def constrained(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Make a namespace a project of OpenShift: annotate it, and have the constraints decide about its pods."""
    cluster.kubectl("annotate", "namespace", namespace, *(f"{key}={value}" for key, value in ANNOTATIONS.items()))
    with deciding(cluster, namespace, decision(cluster)):
        yield
