"""Attempts at pods and their subresources."""

from __future__ import annotations

import json

from tests.api.attempts import ELSEWHERE, NAMESPACE, STATUS, By, create, patch, pod, run_
from tests.api.crossings.forms import CORE, DRY, VICTIM, owner, raw, take_over, there

PODS = (
    there("eddy", "a pod under the victim's labels", By.ADMISSION, "only the operator creates pods", pod("p", labels=VICTIM)),
    there(
        "eddy",
        "the same pod, which the victim's Run owns",
        By.ADMISSION,
        "only the operator creates pods",
        pod("p", labels=VICTIM, ownerReferences=owner("$r")),
    ),
    there("eddy", "the same pod, as a dry run", By.ADMISSION, "only the operator creates pods", pod("p", labels=VICTIM), DRY),
    there(
        "eddy",
        "the same pod, named by the API server",
        By.ADMISSION,
        "only the operator creates pods",
        pod("p", labels=VICTIM) | {"metadata": {"generateName": "r-coder-r", "labels": VICTIM}},
    ),
    take_over(
        "eddy",
        "the same pod by server-side apply",
        By.ADMISSION,
        "only the operator creates pods",
        pod("p", labels=VICTIM),
        namespace=ELSEWHERE,
    ),
    patch(
        "eddy",
        "an agent's pod under the victim's label",
        By.ADMISSION,
        "the labels runwatchman.dev/*",
        "pod/r-coder-r0",
        {"metadata": {"labels": VICTIM}},
        namespace=ELSEWHERE,
    ),
    patch(
        "eddy",
        "an agent's pod without its finalizer",
        By.ADMISSION,
        "the finalizer",
        "pod/r-coder-r0",
        {"metadata": {"finalizers": None}},
        namespace=ELSEWHERE,
    ),
    create("eddy", "a pod in another namespace", By.RBAC, "cannot create", pod("r-coder-r1", labels=VICTIM)),
    run_("eddy", "another's agent gone", By.RBAC, "cannot delete", "delete", "pod", "r-coder-r0", "--grace-period=0", "--force"),
    raw("eddy", "all of another's agents gone", By.RBAC, "cannot deletecollection", "delete", f"{CORE}/{NAMESPACE}/pods"),
    patch(
        "eddy",
        "another's agent resized",
        By.RBAC,
        '"pods/resize"',
        "pod/r-coder-r0",
        {"spec": {"containers": []}},
        "--subresource=resize",
    ),
    patch(
        "eddy",
        "an agent's status",
        By.RBAC,
        '"pods/status"',
        "pod/r-coder-r0",
        {"status": {"phase": "Failed"}},
        STATUS,
        namespace=ELSEWHERE,
    ),
    run_("eddy", "a debugger in another's agent", By.RBAC, "cannot get", "debug", "r-coder-r0", "--image=x", "--target=agent"),
    run_("eddy", "a shell in another's agent", By.RBAC, "cannot get", "exec", "r-coder-r0", "-c", "agent", "--", "sh"),
    run_("eddy", "another's agent attached to", By.RBAC, "cannot get", "attach", "r-coder-r0", "-c", "agent"),
    run_("eddy", "another's agent's ports", By.RBAC, "cannot get", "port-forward", "pod/r-coder-r0", "8080"),
    run_("eddy", "another's agent's log", By.RBAC, "cannot get", "logs", "r-coder-r0", "-c", "agent"),
    raw(
        "eddy",
        "a shell, past kubectl",
        By.RBAC,
        '"pods/exec"',
        "create",
        f"{CORE}/{NAMESPACE}/pods/r-coder-r0/exec?command=sh",
        "{}",
    ),
    raw(
        "eddy",
        "a debugger, past kubectl",
        By.RBAC,
        '"pods/ephemeralcontainers"',
        "replace",
        f"{CORE}/{NAMESPACE}/pods/r-coder-r0/ephemeralcontainers",
        json.dumps(pod("r-coder-r0")),
    ),
    raw(
        "eddy",
        "an agent evicted",
        By.RBAC,
        '"pods/eviction"',
        "create",
        f"{CORE}/{NAMESPACE}/pods/r-coder-r0/eviction",
        json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "r-coder-r0"}}),
    ),
    raw(
        "eddy",
        "an agent bound to a node of one's choice",
        By.RBAC,
        '"pods/binding"',
        "create",
        f"{CORE}/{ELSEWHERE}/pods/r-coder-r0/binding",
        json.dumps(
            {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "r-coder-r0"}, "target": {"kind": "Node", "name": "n"}}
        ),
    ),
    raw("eddy", "an agent's proxy", By.RBAC, '"pods/proxy"', "get", f"{CORE}/{NAMESPACE}/pods/r-coder-r0:8080/proxy/"),
)
