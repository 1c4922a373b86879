"""The reasons of pods' ends, from every kind of end that a kubelet reports. `test_outcomes` has whole pods of real kubelets."""

from __future__ import annotations

from typing import Any

import pytest

from controller.facts.pods import pod_facts
from controller.plan.outcomes import classify
from controller.plan.reasons import Reason
from tests.unit.test_pod_builder import built


def ended(**more: Any) -> dict[str, Any]:
    """Return a terminated pod as a kubelet reports it."""
    pod = built({"image": "a"})
    state = {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-01T12:00:00Z"} | more.pop("end", {})
    pod["metadata"] |= {"uid": "p"} | more.pop("metadata", {})
    pod["spec"]["nodeName"] = "n"
    status = {
        "phase": "Failed" if state["exitCode"] else "Succeeded",
        "containerStatuses": [{"name": "agent", "state": {"terminated": state}}],
    }
    return pod | {"status": status | more}


DELETED = {"deletionTimestamp": "2026-01-01T12:00:30Z", "deletionGracePeriodSeconds": 30}
DISRUPTION = [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-01-01T11:59:58Z"}]


@pytest.mark.parametrize(
    ("pod", "ending", "reason", "result"),
    [
        (ended(), False, Reason.EXITED_ZERO, "Completed"),
        (ended(), True, Reason.EXITED_ZERO, "Completed"),
        (ended(end={"exitCode": 3, "reason": "Error"}), False, Reason.EXITED_NONZERO, "Failed"),
        (ended(end={"exitCode": 137, "reason": "OOMKilled"}), False, Reason.OUT_OF_MEMORY, "Failed"),
        (ended(end={"exitCode": 137, "reason": "Error"}), False, Reason.EXITED_NONZERO, "Failed"),
        (ended(end={"exitCode": 128, "reason": "StartError"}), False, Reason.START_ERROR, "Failed"),
        (ended(end={"exitCode": 255, "reason": "Unknown"}), False, Reason.STATUS_UNKNOWN, "Failed"),
        (ended(end={"exitCode": 137, "reason": "ContainerStatusUnknown"}), False, Reason.STATUS_UNKNOWN, "Failed"),
        (ended(end={"exitCode": 143, "reason": "Error"}), True, Reason.INTERRUPTED, "Interrupted"),
        (ended(phase="Failed", reason="Evicted", containerStatuses=[]), False, Reason.EVICTED, "Failed"),
        (ended(end={"exitCode": 143}, conditions=DISRUPTION), False, Reason.DISRUPTED, "Failed"),
        (ended(end={"exitCode": 143}, metadata=DELETED), False, Reason.DELETED, "Failed"),
        (ended(metadata=DELETED), False, Reason.DELETED, "Failed"),
        (ended(end={"finishedAt": "2026-01-01T11:59:59Z"}, metadata=DELETED), False, Reason.EXITED_ZERO, "Completed"),
        (ended(phase="Failed", reason="DeadlineExceeded", containerStatuses=[]), False, Reason.POD_FAILED, "Failed"),
    ],
)
def test_outcomes(pod: dict[str, Any], ending: bool, reason: Reason, result: str) -> None:
    """The kubelet's data about a pod's end is recorded; an end in the second of the deletion does not count as completion."""
    outcome = classify(pod_facts(pod), 0, None, ending=ending)
    assert (outcome.reason, outcome.result) == (reason, result)


def test_a_vanished_pod() -> None:
    """A pod that vanished without a recorded end has failed, unless its end was requested."""
    assert classify(None, 0, None, ending=False).reason == Reason.VANISHED
    assert classify(None, 0, None, ending=True).result == "Interrupted"
