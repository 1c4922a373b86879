"""Writes that an admission policy refuses, on a real API server: each is shown on its Run with the policy's words, escalated, and
forgotten once the policy is gone.
"""

from __future__ import annotations

import json
import time

import pytest

from controller.api.base import JsonObject
from tests.api.admission_rules import WORDS, rule
from tests.cluster import Cluster
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    condition,
    get,
    items,
    policy_of,
    run_of,
    simulated_forever,
    status,
)

STALLED_SECONDS = 3
QUICKLY = policy_of({"health": {"pendingStalledSeconds": STALLED_SECONDS}})


def refused(cluster: Cluster, namespace: str, run: str, reason: str) -> JsonObject:
    """Wait until the condition WritesAccepted is False for this reason; return it."""

    def there() -> JsonObject | None:
        found = status(cluster, namespace, run).get("conditions", ())
        return next((c for c in found if (c["type"], c["status"], c["reason"]) == ("WritesAccepted", "False", reason)), None)

    found: JsonObject = await_that(there, f"{reason} of Run {run}")
    return found


def warned(cluster: Cluster, namespace: str, reason: str, kind: str = "Run") -> str:
    """Wait for the Warning with this reason about an object of this kind; return its message."""

    def there() -> str:
        found = (e for e in items(cluster, namespace, "events") if (e["reason"], e["type"]) == (reason, "Warning"))
        return next((e["message"] for e in found if e["involvedObject"]["kind"] == kind), "")

    return str(await_that(there, f"the Event {reason}"))


def escalated(cluster: Cluster, namespace: str, run: str, phase: str = "Open") -> JsonObject:
    """Wait until a human is asked about the Run, or until that is over; return the escalation.

    The Run is changed meanwhile, so that the operator does not wait for its next check.
    """

    def there() -> JsonObject | None:
        touch(cluster, namespace, run)
        found = (e for e in items(cluster, namespace, "escalations") if e["spec"]["runName"] == run)
        return next((e for e in found if e.get("status", {}).get("phase") == phase), None)

    found: JsonObject = await_that(there, f"the escalation of {run} to be {phase}")
    return found


def touch(cluster: Cluster, namespace: str, run: str) -> None:
    """Change the Run's metadata, so that the operator looks at it and does not wait for its next check."""
    cluster.kubectl("-n", namespace, "annotate", "--overwrite", "run", run, f"test.runwatchman.dev/touched={time.monotonic_ns()}")


def patch(cluster: Cluster, namespace: str, run: str, **spec: object) -> None:
    """Change fields of a Run's spec."""
    cluster.kubectl("-n", namespace, "patch", "run", run, "--type=merge", "-p", json.dumps({"spec": spec}))


def pods_updated(run: str) -> tuple[str, ...]:
    """Return a kubectl command that updates the pods of a Run."""
    return "label", "pods", "-l", f"runwatchman.dev/run={run}", "probed=yes", "--overwrite"


def of(run: str) -> dict[str, str]:
    """Return the labels of a Run's pods."""
    return {"runwatchman.dev/run": run}


def test_a_refused_start_is_shown_escalated_and_made_up_for(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str
) -> None:
    """The Run shows who refuses the start and why, asks a human, and starts once the policy is gone. Its neighbour completes."""
    spec = {"schedulingGates": [{"name": "test/never"}], "containers": [{"name": "c", "image": "x"}]}
    probe = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "labels": of("held")}, "spec": spec}
    apply(api_cluster, namespace, QUICKLY, probe)
    with rule(api_cluster, namespace, "UPDATE", "pods", "label", "pod", "probe", "probed=yes", selector=of("held")) as name:
        apply(api_cluster, namespace, run_of("held"), run_of("free"))
        found = refused(api_cluster, namespace, "held", "StartRefused")
        assert f"'{name}'" in found["message"]
        assert WORDS in found["message"]
        assert WORDS in warned(api_cluster, namespace, "StartRefused")
        asked = escalated(api_cluster, namespace, "held")
        assert WORDS in asked["spec"]["text"]
        assert status(api_cluster, namespace, "held")["phase"] == "Blocked"
        await_phase(api_cluster, namespace, "free", "Completed")
        assert get(api_cluster, namespace, "pod", "held-coder-r0")["spec"]["schedulingGates"]
    touch(api_cluster, namespace, "held")
    done = await_phase(api_cluster, namespace, "held", "Completed")
    assert done["agents"][0]["attempt"] == 0
    assert escalated(api_cluster, namespace, "held", "Resolved")["metadata"]["name"] == asked["metadata"]["name"]
    assert condition(done, "WritesAccepted") == ("True", "Accepted")


@pytest.mark.parametrize(("desired", "closed"), [("Paused", "Resolved"), ("Stopped", "Superseded")])
def test_a_refused_end_is_shown_escalated_and_made_up_for(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str, desired: str, closed: str
) -> None:
    """A Run that cannot end its pod does not say Stopping for ever: it shows the refusal, asks, and ends the pod in the end."""
    apply(api_cluster, namespace, QUICKLY, simulated_forever("busy"))
    await_phase(api_cluster, namespace, "busy", "Running")
    with rule(api_cluster, namespace, "UPDATE", "pods", *pods_updated("busy")) as name:
        patch(api_cluster, namespace, "busy", desiredState=desired)
        assert f"'{name}'" in refused(api_cluster, namespace, "busy", "EndRefused")["message"]
        assert WORDS in warned(api_cluster, namespace, "EndRefused")
        asked = escalated(api_cluster, namespace, "busy")
        blocked = status(api_cluster, namespace, "busy")
        assert (blocked["phase"], blocked["reason"]) == ("Stopping", "EndRefused")
        assert not get(api_cluster, namespace, "pod", "busy-coder-r0")["metadata"].get("deletionTimestamp")
    touch(api_cluster, namespace, "busy")
    ended = await_phase(api_cluster, namespace, "busy", desired)
    assert condition(ended, "WritesAccepted") == ("True", "Accepted")
    assert escalated(api_cluster, namespace, "busy", closed)["metadata"]["name"] == asked["metadata"]["name"]


def test_a_refused_release_is_shown_escalated_and_made_up_for(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str
) -> None:
    """A completed Run stays Completed while its deleted pod hangs in Terminating; a human is asked, and the pod goes afterwards."""
    apply(api_cluster, namespace, QUICKLY, run_of("tidy"))
    await_phase(api_cluster, namespace, "tidy", "Completed")
    with rule(api_cluster, namespace, "UPDATE", "pods", *pods_updated("tidy")):
        api_cluster.kubectl("-n", namespace, "delete", "pod", "tidy-coder-r0", "--wait=false")
        assert WORDS in refused(api_cluster, namespace, "tidy", "ReleaseRefused")["message"]
        assert WORDS in warned(api_cluster, namespace, "ReleaseRefused")
        escalated(api_cluster, namespace, "tidy")
        assert status(api_cluster, namespace, "tidy")["phase"] == "Completed"
    touch(api_cluster, namespace, "tidy")
    await_that(lambda: not get(api_cluster, namespace, "pod", "tidy-coder-r0"), "the pod to go")
    escalated(api_cluster, namespace, "tidy", "Superseded")


def test_a_pod_that_a_deleted_run_cannot_release_carries_the_refusal(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str
) -> None:
    """No status is left to show it, so the pod has an Event; the pod goes once the policy is gone."""
    apply(api_cluster, namespace, run_of("gone"))
    await_phase(api_cluster, namespace, "gone", "Completed")
    with rule(api_cluster, namespace, "UPDATE", "pods", *pods_updated("gone")):
        api_cluster.kubectl("-n", namespace, "delete", "run", "gone")
        assert WORDS in warned(api_cluster, namespace, "ReleaseRefused", "Pod")
        assert get(api_cluster, namespace, "pod", "gone-coder-r0")["metadata"]["finalizers"]
    await_that(lambda: not get(api_cluster, namespace, "pod", "gone-coder-r0"), "the pod to go")


def test_a_refused_deletion_of_a_pod_that_never_ran_is_shown(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str
) -> None:
    """A policy that protects pods from deletion keeps a stopped Run from ending its unschedulable pod, which it shows."""
    nowhere = {"template": {"spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "agent", "image": "x"}]}}}
    apply(api_cluster, namespace, QUICKLY, run_of("waits", nowhere))
    await_that(lambda: status(api_cluster, namespace, "waits").get("reason") in ("NotStarting", "PendingStalled"), "the pod")
    with rule(api_cluster, namespace, "DELETE", "pods", "delete", "pod", "waits-coder-r0"):
        patch(api_cluster, namespace, "waits", desiredState="Stopped")
        assert WORDS in refused(api_cluster, namespace, "waits", "EndRefused")["message"]
    touch(api_cluster, namespace, "waits")
    await_phase(api_cluster, namespace, "waits", "Stopped")


def test_a_refused_status_is_told_by_an_event_and_stops_nobody(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str
) -> None:
    """Without its status a Run takes no step; an Event and the metric say why, and another Run completes."""
    own = run_of("mute", desiredState="Paused")
    own["metadata"]["labels"] = {"mute": "yes"}
    probe = "patch", "run", "mute", "--subresource=status", "--type=merge", "-p", '{"status": {"message": "probed"}}'
    apply(api_cluster, namespace, own)
    await_phase(api_cluster, namespace, "mute", "Paused")
    with rule(api_cluster, namespace, "UPDATE", "runs/status", *probe, selector={"mute": "yes"}):
        patch(api_cluster, namespace, "mute", desiredState="Running")
        apply(api_cluster, namespace, run_of("free"))
        assert WORDS in warned(api_cluster, namespace, "StatusRefused")
        await_phase(api_cluster, namespace, "free", "Completed")
        assert status(api_cluster, namespace, "mute")["phase"] == "Paused"
        assert 'runwatchman_writes_refused_total{step="save"}' in api_operator.probe("metrics", "metrics")[1]
    touch(api_cluster, namespace, "mute")
    await_phase(api_cluster, namespace, "mute", "Completed")
