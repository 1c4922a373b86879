"""What keeps an agent from running: its own container, an init container, a helper that never starts, or the scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.facts.pods import pod_facts
from tests.builders import a_pod

SINCE = "2026-01-01T11:58:03Z"
RUNS: JsonObject = {"running": {"startedAt": SINCE}}
INITIALIZING: JsonObject = {"waiting": {"reason": "PodInitializing"}}
NO_IMAGE: JsonObject = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off: ErrImagePull: no such image"}}
CRASHES: JsonObject = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
ENDED: JsonObject = {"terminated": {"exitCode": 0, "startedAt": SINCE, "finishedAt": SINCE}}


def waits(phase: str, agent: JsonObject, *, helper: JsonObject | None = None, **init: Any) -> tuple[str, str]:
    """Return what an agent waits for, given the states of its container, of a helper and of init containers.

    The init container `proxy` is a native sidecar.
    """
    names = ["agent", *(["helper"] if helper else [])]
    sidecar = {"proxy": {"restartPolicy": "Always"}}
    spec = {
        "nodeName": "n1",
        "containers": [{"name": name, "image": "x"} for name in names],
        "initContainers": [{"name": name, "image": "x", **sidecar.get(name, {})} for name in init],
    }
    status = {
        "phase": phase,
        "containerStatuses": [{"name": name, "state": state} for name, state in zip(names, (agent, helper), strict=False)],
        "initContainerStatuses": [{"name": name, **fields} for name, fields in init.items()],
    }
    facts = pod_facts(a_pod(spec, status))
    return facts.waiting_reason, facts.waiting_message


@pytest.mark.parametrize(
    ("phase", "agent", "others", "expected"),
    [
        ("Pending", NO_IMAGE, {}, ("ImagePullBackOff", "no such image")),
        ("Pending", INITIALIZING, {"clone": {"state": NO_IMAGE}}, ("ImagePullBackOff", "no such image")),
        (
            "Pending",
            INITIALIZING,
            {"clone": {"state": RUNS, "started": True}},
            ("PodInitializing", f"init container clone has been running since {SINCE}"),
        ),
        (
            "Pending",
            INITIALIZING,
            {"proxy": {"state": RUNS, "started": False}},
            ("PodInitializing", f"init container proxy has not passed its startup probe; it runs since {SINCE}"),
        ),
        ("Pending", INITIALIZING, {"proxy": {"state": RUNS, "started": True}}, ("PodInitializing", "")),
        ("Pending", INITIALIZING, {"clone": {"state": ENDED}}, ("PodInitializing", "")),
        ("Pending", RUNS, {"helper": NO_IMAGE}, ("ImagePullBackOff", "container helper: no such image")),
        ("Pending", RUNS, {"helper": {"waiting": {"reason": "ContainerCreating"}}}, ("ContainerCreating", "container helper")),
        ("Running", RUNS, {"proxy": {"state": CRASHES}}, ("", "")),
        ("Running", RUNS, {"helper": CRASHES}, ("", "")),
        ("Running", RUNS, {"proxy": {"state": RUNS, "started": False}}, ("", "")),
    ],
    ids=[
        "its-own-image",
        "image-of-an-init-container",
        "init-container-at-work",
        "sidecar-that-does-not-start",
        "sidecar-that-has-started",
        "init-container-that-has-ended",
        "image-of-a-helper",
        "helper-without-a-message",
        "running-beside-a-crashing-sidecar",
        "running-beside-a-crashing-helper",
        "running-beside-a-restarted-sidecar",
    ],
)
def test_what_an_agent_waits_for(phase: str, agent: JsonObject, others: Any, expected: tuple[str, str]) -> None:
    """The first obstacle has its words; a running agent waits for nothing unless its pod is still Pending."""
    assert waits(phase, agent, **others) == expected
