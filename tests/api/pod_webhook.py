"""A webhook of a real API server that changes or refuses the pods of one namespace, as a platform's admission does."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.cluster.certificates import make_pair
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(decide))
    server.socket = tls(cluster).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"pods-{namespace}"
    authority = base64.b64encode((cluster.directory / "ca.crt").read_bytes()).decode()
    hook = {
        "name": "pods.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": authority},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    about = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": name}}
    apply(cluster, namespace, {**about, "webhooks": [hook]})
    try:
        yield
    finally:
        cluster.kubectl("delete", "mutatingwebhookconfiguration", name)
        server.shutdown()
        server.server_close()


def tls(cluster: Cluster) -> ssl.SSLContext:
    """Return a server's context with a certificate of the cluster's authority."""
    make_pair(cluster.directory, "pods", "/CN=pods", "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cluster.directory / "pods.crt", cluster.directory / "pods.key")
    return context


def handler(decide: Decide) -> type[BaseHTTPRequestHandler]:
    """Return the handler of the webhook's requests."""

    class Handler(BaseHTTPRequestHandler):
        """Answers AdmissionReviews."""

        def do_POST(self) -> None:
            """Answer one review."""
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({**asked, "request": None, "response": review(asked["request"], decide)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
