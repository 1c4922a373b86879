"""A naive operator in the style of kopf's tutorials: a handler of creation, one of pods' events, a timer.

Run it by `kopf run`, which brings its own logging, Events and annotations of progress.
"""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes.aio import client, config

GROUP, VERSION, PLURAL = "bench.runwatchman.dev", "v1", "bareruns"
LABEL = "bench.runwatchman.dev/run"
INTERVAL_SECONDS = 5.0


@kopf.on.startup()
async def connect(memo: Any, **_: Any) -> None:
    """Make the clients."""
    await config.load_kube_config()
    memo.core, memo.custom = client.CoreV1Api(), client.CustomObjectsApi()


@kopf.on.create(GROUP, VERSION, PLURAL)
async def start(name: str, namespace: str | None, spec: kopf.Spec, memo: Any, **_: Any) -> dict[str, str]:
    """Create the Run's pod."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {LABEL: name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [{"name": "agent", "image": spec["image"], "command": list(spec["command"])}],
        },
    }
    kopf.adopt(pod)
    await memo.core.create_namespaced_pod(namespace, pod)
    return {"pod": name}


@kopf.on.event("pods", labels={LABEL: kopf.PRESENT})
async def follow(namespace: str | None, labels: kopf.Labels, status: kopf.Status, memo: Any, **_: Any) -> None:
    """Copy the pod's phase into the Run's status."""
    if phase := status.get("phase"):
        body = {"status": {"phase": phase}}
        await memo.custom.patch_namespaced_custom_object_status(GROUP, VERSION, namespace, PLURAL, labels[LABEL], body)


@kopf.timer(GROUP, VERSION, PLURAL, interval=INTERVAL_SECONDS)
async def look(status: kopf.Status, **_: Any) -> None:
    """Check the Run's health."""
    status.get("phase")
