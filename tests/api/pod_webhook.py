"""A webhook of a real API server that changes or refuses the pods of one namespace, as a platform's admission does."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.cluster.certificates import make_pair
from tests.json_server import json_server
from tests.support import apply

Decide = Callable[[JsonObject], JsonObject | str]
"""Returns the pod of an AdmissionReview's request as it is admitted, or the words with which it is refused."""


def review(request: JsonObject, decide: Decide) -> JsonObject:
    """Return the answer to an AdmissionReview's request."""
    decided = decide(request)
    if isinstance(decided, str):
        return {"uid": request["uid"], "allowed": False, "status": {"code": 403, "message": decided}}
    patch = [
        {"op": "add", "path": "/metadata/labels", "value": decided["metadata"].get("labels") or {}},
        {"op": "add", "path": "/metadata/annotations", "value": decided["metadata"].get("annotations") or {}},
        {"op": "replace", "path": "/spec", "value": decided["spec"]},
    ]
    encoded = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}


@contextmanager
def deciding(cluster: Cluster, namespace: str, decide: Decide) -> Iterator[None]:
    """Have a function decide about the new pods of a namespace."""
    with json_server(lambda asked: answer(asked, decide), tls(cluster)) as port, configured(cluster, namespace, port):
        yield


def answer(asked: JsonObject, decide: Decide) -> JsonObject:
    """Return the answer to an AdmissionReview."""
    return {**asked, "request": None, "response": review(asked["request"], decide)}


@contextmanager
def configured(cluster: Cluster, namespace: str, port: int) -> Iterator[None]:
    """Have the API server ask a webhook on this port about the new pods of a namespace."""
    name = f"pods-{namespace}"
    authority = base64.b64encode((cluster.directory / "ca.crt").read_bytes()).decode()
    hook = {
        "name": "pods.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": authority},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    about = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": name}}
    apply(cluster, namespace, {**about, "webhooks": [hook]})
    try:
        yield
    finally:
        cluster.kubectl("delete", "mutatingwebhookconfiguration", name)


def tls(cluster: Cluster) -> ssl.SSLContext:
    """Return a server's context with a certificate of the cluster's authority."""
    make_pair(cluster.directory, "pods", "/CN=pods", "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cluster.directory / "pods.crt", cluster.directory / "pods.key")
    return context
