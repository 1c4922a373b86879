"""Removes the finalizer of agents' pods after an uninstall, so that no pod is stuck in Terminating without an operator.

Arguments: the namespaces to process, none for all. It uses only the standard library, because it runs in the image as `python3 -c`.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

FINALIZER = "runwatchman.dev/outcome"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
HOST = os.environ["KUBERNETES_SERVICE_HOST"]
SERVER = f"https://{f'[{HOST}]' if ':' in HOST else HOST}:{os.environ['KUBERNETES_SERVICE_PORT']}"
GONE_OR_CHANGED = (404, 409, 422)
TRIES = 5


def call(method, path, body=None):
    """Send a request to the API server and return the response."""
    with open(f"{ACCOUNT}/token") as token:
        headers = {"Authorization": f"Bearer {token.read()}", "Content-Type": "application/json-patch+json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(SERVER + path, data=data, headers=headers, method=method)  # noqa: S310  # https only
    trust = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
    with urllib.request.urlopen(request, timeout=10, context=trust) as answer:  # noqa: S310  # https only
        return json.load(answer)


def held(where):
    """Return the pods below a path that have the finalizer."""
    pods, token = [], ""
    while True:
        page = call("GET", f"{where}/pods?labelSelector=runwatchman.dev/run-uid&limit=500&continue={urllib.parse.quote(token)}")
        pods += [pod["metadata"] for pod in page["items"] if FINALIZER in pod["metadata"].get("finalizers", [])]
        if not (token := page["metadata"].get("continue", "")):
            return pods


def drop(pod):
    """Remove the finalizer of a pod. A pod that changes meanwhile is processed again in the next round."""
    at = f"/metadata/finalizers/{pod['finalizers'].index(FINALIZER)}"
    patch = [{"op": "test", "path": at, "value": FINALIZER}, {"op": "remove", "path": at}]
    try:
        call("PATCH", f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}", patch)
        sys.stdout.write(f"removed the finalizer of {pod['namespace']}/{pod['name']}\n")
    except urllib.error.HTTPError as error:
        if error.code not in GONE_OR_CHANGED:
            raise


paths = [f"/api/v1/namespaces/{name}" for name in sys.argv[1:]] or ["/api/v1"]
for _ in range(TRIES):
    left = [pod for path in paths for pod in held(path)]
    if not left:
        sys.exit()
    for pod in left:
        drop(pod)
sys.exit(f"{len(left)} pods still have the finalizer {FINALIZER}")
