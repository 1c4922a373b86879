"""Attempts at claims, Events, Leases, bindings, accounts, Secrets and namespaces."""

from __future__ import annotations

import json

from tests.api.attempts import ELSEWHERE, HOLDER, HOME, LEASE, NAMESPACE, REPORTER, Attempt, By, binding, create, patch, run_
from tests.api.crossings.forms import CORE, VICTIM, raw, seize, there
from tests.api.forged_requests import API

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "s-coder-workspace", "labels": VICTIM},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "forged"},
    "involvedObject": {"apiVersion": API, "kind": "Run", "name": "r", "namespace": NAMESPACE, "uid": "$r"},
    "reason": "Completed",
}


def token(what: str, by: By, says: str, name: str, uid: str, namespace: str = ELSEWHERE) -> Attempt:
    """A token of the reporters' account, bound to a pod."""
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={name}", f"--bound-object-uid={uid}")
    return run_("eddy", what, by, says, "create", "token", REPORTER, *bound, namespace=namespace)


OTHERS = (
    create("eddy", "a claim in another namespace", By.RBAC, "cannot create", CLAIM),
    seize("eddy", "another's workspace", "PersistentVolumeClaim", "s-coder-workspace", {"spec": {}}, api="v1"),
    run_("eddy", "another's workspace gone", By.RBAC, "cannot delete", "delete", "pvc", "s-coder-workspace"),
    raw(
        "eddy",
        "all workspaces of another gone",
        By.RBAC,
        "cannot deletecollection",
        "delete",
        f"{CORE}/{NAMESPACE}/persistentvolumeclaims",
    ),
    create("eddy", "an Event about another's Run there", By.RBAC, "cannot create", EVENT),
    there("eddy", "an Event about another's Run here", By.SCHEMA, "does not match event.namespace", EVENT),
    raw("eddy", "all Events of another gone", By.RBAC, "cannot deletecollection", "delete", f"{CORE}/{NAMESPACE}/events"),
    seize("eddy", "the operator's Lease taken", "Lease", "runwatchman", HOLDER, api="coordination.k8s.io/v1", namespace=HOME),
    run_("eddy", "the operator's Lease gone", By.RBAC, "cannot delete", "delete", "lease", "runwatchman", namespace=HOME),
    create(
        "eddy",
        "a Lease that reads as a shard's",
        By.RBAC,
        "cannot create",
        LEASE | {"metadata": {"name": "runwatchman-shard-0"}},
        namespace=HOME,
    ),
    seize(
        "spy",
        "the operator's Lease taken by a reporter",
        "Lease",
        "runwatchman",
        HOLDER,
        api="coordination.k8s.io/v1",
        namespace=HOME,
    ),
    there("eddy", "the operator's role", By.RBAC, "cannot create", binding("up", "runwatchman-operator", "default")),
    create("eddy", "the reporters' role there", By.RBAC, "cannot create", binding("up", REPORTER, "default")),
    run_("eddy", "the reporters' binding gone", By.RBAC, "cannot delete", "delete", "rolebinding", REPORTER, namespace=ELSEWHERE),
    run_("eddy", "a token of another's reporters", By.RBAC, '"serviceaccounts/token"', "create", "token", REPORTER),
    token(
        "a token of the own account for the victim's pod",
        By.SERVER,
        "does not match the UID in record",
        "r-coder-r0",
        "$r-coder-r0",
    ),
    token(
        "a token of another's account for the own pod", By.RBAC, '"serviceaccounts/token"', "r-coder-r0", "$there-pod", NAMESPACE
    ),
    seize("eddy", "another's account", "ServiceAccount", REPORTER, {"imagePullSecrets": [{"name": "x"}]}, api="v1"),
    run_("eddy", "another's account gone", By.RBAC, "cannot delete", "delete", "serviceaccount", REPORTER),
    run_("eddy", "another's Secret", By.RBAC, "cannot get", "get", "secret", "model-key"),
    raw("eddy", "another's Secrets, watched", By.RBAC, "cannot watch", "get", f"{CORE}/{NAMESPACE}/secrets?watch=1"),
    create(
        "eddy",
        "a Secret in another namespace",
        By.RBAC,
        "cannot create",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "model-key"}},
    ),
    seize(
        "eddy",
        "another namespace without Pod Security",
        "Namespace",
        NAMESPACE,
        {"metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        api="v1",
    ),
    patch(
        "eddy",
        "the own namespace without Pod Security",
        By.RBAC,
        "cannot patch",
        f"namespace/{ELSEWHERE}",
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        namespace=ELSEWHERE,
    ),
    run_("eddy", "another namespace gone", By.RBAC, "cannot delete", "delete", "namespace", NAMESPACE),
    raw(
        "eddy",
        "another namespace finalized",
        By.RBAC,
        '"namespaces/finalize"',
        "replace",
        f"{CORE}/{NAMESPACE}/finalize",
        json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
    ),
)
