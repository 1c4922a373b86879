"""Admission policies of an administrator who has never heard of the operator: each refuses some writes in one namespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.support import apply, await_that

WORDS = "pods need the label cost-centre"
LABELLED = "has(object.metadata.labels) && 'cost-centre' in object.metadata.labels"
"""The rule of shared/faults/update-refused.yaml."""


def rule_of(name: str, namespace: str, operation: str, resource: str, selector: dict[str, str] | None = None) -> list[JsonObject]:
    """Return a policy that refuses an operation on a resource unless the object has a cost label, and its binding.

    With a `selector` only objects with these labels count.
    """
    group = "runwatchman.dev" if resource.split("/", maxsplit=1)[0] in ("runs", "agentreports", "escalations") else ""
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": [operation], "resources": [resource]}
    expression = "false" if operation == "DELETE" else LABELLED
    kind: JsonObject = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    constraints: JsonObject = {"resourceRules": [rule], **({"objectSelector": {"matchLabels": selector}} if selector else {})}
    policy = {"matchConstraints": constraints, "validations": [{"expression": expression, "message": WORDS}]}
    inside = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": inside}
    return [
        kind | {"kind": "ValidatingAdmissionPolicy", "spec": policy},
        kind | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]


@contextmanager
def rule(
    cluster: Cluster, namespace: str, operation: str, resource: str, *probe: str, selector: dict[str, str] | None = None
) -> Iterator[str]:
    """Put a rule into force and yield its name; `probe` is a kubectl command that it refuses, tried with a dry run."""
    name = f"labelled-{namespace}-{operation.lower()}-{resource.replace('/', '-')}"
    apply(cluster, namespace, *rule_of(name, namespace, operation, resource, selector))

    def refuses() -> bool:
        return WORDS in cluster.kubectl("-n", namespace, *probe, "--dry-run=server", check=False)

    try:
        await_that(refuses, f"{name} to be in force")
        yield name
    finally:
        cluster.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)
        await_that(lambda: not refuses(), f"{name} to be over")
