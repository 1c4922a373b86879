"""Creates the reporters' account in a namespace, before the first pod that needs it."""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import REPORTER_CONTAINER
from controller.kube.errors import AlreadyExists, ApiError, refused_for_good
from controller.kube.resources import ROLE_BINDINGS, SERVICE_ACCOUNTS, Resource
from controller.reconcile.actions.dependencies import Tools

NAME = REPORTER_CONTAINER
RBAC = "rbac.authorization.k8s.io"


async def grant(tools: Tools, namespace: str) -> str:
    """Ensure the reporters' account in a namespace; return the reason if that was refused, else an empty text."""
    if namespace in tools.granted:
        return ""
    for resource, body in ((SERVICE_ACCOUNTS, account()), (ROLE_BINDINGS, binding(namespace))):
        if refusal := await _create(tools, resource, namespace, body):
            return refusal
    tools.granted.add(namespace)
    return ""


async def _create(tools: Tools, resource: Resource, namespace: str, body: JsonObject) -> str:
    """Create an object unless it exists; one that somebody created by hand stays as it is."""
    try:
        await tools.client.create(resource, namespace, body)
    except AlreadyExists:
        return ""
    except ApiError as error:
        if not refused_for_good(error):
            raise
        return (
            f"the operator may not create the reporters' {resource.kind} {NAME} in namespace {namespace}: create it there, "
            f"allow the operator to, or set `reporter: Off` in the policy ({error.message})"
        )
    return ""


def account() -> JsonObject:
    """Return the reporters' ServiceAccount."""
    metadata = {"name": NAME}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def binding(namespace: str) -> JsonObject:
    """Return the binding of the reporters' role to their account."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }
