"""Pods that ended without their agent ever running: each has its reason, its charge and its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject, parse
from controller.api.operator_state import Outcome
from controller.api.policy import OutcomeAction, RunPolicySpec
from controller.facts.pods import pod_facts
from controller.plan.outcomes import action_for, classify
from tests.builders import a_pod

FAULTS = Path(__file__).parent / "data/faults"
WAITS: JsonObject = {"waiting": {"reason": "PodInitializing"}}


def outcome_of(pod: JsonObject, *, ending: bool = False) -> Outcome:
    """Return how the pod's attempt ended."""
    return classify(pod_facts(pod, "agent"), 0, None, ending=ending)


def failed(reason: str = "", message: str = "", **more: Any) -> JsonObject:
    """Return a failed pod as a kubelet reports it."""
    spec = {"restartPolicy": "Never", **more.pop("spec", {})}
    status = {"phase": "Failed", **({"reason": reason} if reason else {}), **({"message": message} if message else {})}
    return a_pod(spec, status | more)


def initialised(end: JsonObject, restart: str | None = None, **more: Any) -> JsonObject:
    """Return a failed pod whose only init container has this end."""
    init = {"name": "clone", **({"restartPolicy": restart} if restart else {})}
    statuses = {"initContainerStatuses": [{"name": "clone", "state": {"terminated": end}}]}
    agent = {"containerStatuses": [{"name": "agent", "state": WAITS}]}
    return failed(spec={"initContainers": [init], **more.pop("spec", {})}, **{**agent, **statuses, **more})


def test_a_failed_init_container_is_the_outcome() -> None:
    """The exit code and the message of the init container are the attempt's, which is charged."""
    found = outcome_of(yaml.safe_load((FAULTS / "init-container-fails.pod.yaml").read_text()))
    assert (found.result, found.reason, found.kubelet_reason, found.exit_code) == ("Failed", "InitContainerFailed", "Error", 128)
    assert found.message == "init container clone: exit code 128: fatal: repository not found"
    assert found.finished_at
    assert action_for(found, None) is OutcomeAction.RETRY


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ({"exitCodes": [128]}, "Escalate"),
        ({"exitCodes": [1]}, "Retry"),
        ({"reasons": ["InitContainerFailed"]}, "Escalate"),
        ({"reasons": ["InitContainerFailed"], "exitCodes": [128], "messageContains": "init container clone"}, "Escalate"),
        ({"messageContains": "repository not found"}, "Escalate"),
    ],
)
def test_outcome_rules_match_init_containers(rule: JsonObject, action: str) -> None:
    """A policy's rules match an init container's exit code, reason and message as they match the agent's."""
    policy = parse(RunPolicySpec, {"outcomes": [rule | {"action": "Escalate"}]})
    found = outcome_of(yaml.safe_load((FAULTS / "init-container-fails.pod.yaml").read_text()))
    assert action_for(found, policy) == action


END: JsonObject = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T12:00:00Z"}
DISRUPTION = [{"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-01-01T11:59:58Z"}]


@pytest.mark.parametrize(
    ("pod", "reason", "exit_code", "action"),
    [
        (initialised(END), "InitContainerFailed", 1, "Retry"),
        (initialised(END | {"exitCode": 75}), "InitContainerFailed", 75, "Retry"),
        (initialised(END | {"exitCode": 137, "reason": "OOMKilled"}), "InitContainerFailed", 137, "Retry"),
        (initialised(END | {"exitCode": 128, "reason": "StartError"}), "InitContainerFailed", 128, "Retry"),
        (initialised(END | {"exitCode": 137, "reason": "ContainerStatusUnknown"}), "ContainerStatusUnknown", 137, "RetryFree"),
        (initialised(END | {"exitCode": 143}, conditions=DISRUPTION), "Disrupted", 143, "RetryFree"),
        (initialised(END | {"exitCode": 143}, reason="Terminated"), "Disrupted", 143, "RetryFree"),
        (initialised(END, restart="Always"), "PodFailed", None, "RetryFree"),
        (initialised(END | {"exitCode": 0}), "PodFailed", None, "RetryFree"),
        (failed(), "PodFailed", None, "RetryFree"),
        (
            initialised(
                END | {"exitCode": 143},
                reason="DeadlineExceeded",
                startTime="2026-01-01T11:59:00Z",
                spec={"activeDeadlineSeconds": 60},
            ),
            "PodDeadlineExceeded",
            143,
            "Retry",
        ),
        (
            failed("DeadlineExceeded", startTime="2026-01-01T11:59:00Z", spec={"activeDeadlineSeconds": 60}),
            "PodDeadlineExceeded",
            None,
            "Retry",
        ),
        (
            failed(
                "DeadlineExceeded",
                startTime="2026-01-01T11:59:00Z",
                spec={"activeDeadlineSeconds": 60},
                containerStatuses=[{"name": "agent", "state": {"terminated": END | {"exitCode": 0}}}],
            ),
            "PodDeadlineExceeded",
            0,
            "Retry",
        ),
        (
            failed(
                "DeadlineExceeded",
                startTime="2026-01-01T11:59:00Z",
                spec={"activeDeadlineSeconds": 600},
                containerStatuses=[{"name": "agent", "state": {"terminated": END}}],
            ),
            "NonZeroExit",
            1,
            "Retry",
        ),
        (
            failed("Shutdown", containerStatuses=[{"name": "agent", "state": {"terminated": END | {"exitCode": 143}}}]),
            "Disrupted",
            143,
            "RetryFree",
        ),
    ],
    ids=[
        "an init container failed",
        "an init container's exit code has no meaning of an agent's",
        "an init container was out of memory",
        "an init container could not be started",
        "an init container's end is unknown",
        "a drain during an init container",
        "a shutdown of the node during an init container",
        "a native sidecar fails no pod",
        "an init container that ended well fails no pod",
        "a failure without words",
        "the pod's own deadline during an init container",
        "the pod's own deadline before any container",
        "the pod's own deadline ended an agent that ends with 0 on TERM",
        "an agent that ended before the pod's own deadline",
        "a node that is shut down, by a kubelet without DisruptionTarget",
    ],
)
def test_each_end_has_its_reason_and_charge(pod: JsonObject, reason: str, exit_code: int | None, action: str) -> None:
    """Each such end has its reason, its exit code and its charge."""
    found = outcome_of(pod)
    assert (found.result, found.reason, found.exit_code, action_for(found, None)) == ("Failed", reason, exit_code, action)


REJECTIONS = [
    ("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 950, capacity: 1000"),
    ("OutOfmemory", "Pod was rejected: Node didn't have enough resource: memory"),
    ("OutOfpods", "Pod was rejected: Node didn't have enough resource: pods"),
    ("OutOfnvidia.com/gpu", "Pod was rejected: Node didn't have enough resource: nvidia.com/gpu"),
    ("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"),
    ("UnexpectedAdmissionError", "Pod was rejected: Allocate failed due to no healthy devices present"),
    ("NodeShutdown", "Pod was rejected as the node is shutting down."),
    ("Preempting", "Preempted in order to admit critical pod"),
    ("InvalidNodeInfo", "Pod was rejected: Kubelet cannot get node info."),
    ("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'),
    ("AppArmor", "Pod was rejected: Cannot enforce AppArmor"),
    ("TopologyAffinityError", "Pod was rejected: Resources cannot be allocated with Topology locality"),
    ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. "),
]


@pytest.mark.parametrize(
    "statuses", [{}, {"containerStatuses": [{"name": "agent", "state": WAITS}]}], ids=["no statuses", "waiting"]
)
@pytest.mark.parametrize(("reason", "message"), REJECTIONS)
def test_a_rejected_pod_is_not_charged(reason: str, message: str, statuses: JsonObject) -> None:
    """A rejection is recorded with the kubelet's reason and words, for any reason, is not charged, and is matched by rules."""
    found = outcome_of(failed(reason, message, **statuses))
    assert (found.result, found.reason, found.kubelet_reason) == ("Failed", "PodRejected", reason)
    assert found.message == f"{reason}: {message.strip()}"
    assert action_for(found, None) is OutcomeAction.RETRY_FREE
    policy = parse(RunPolicySpec, {"outcomes": [{"reasons": [reason], "action": "Escalate"}]})
    assert action_for(found, policy) is OutcomeAction.ESCALATE


def test_a_pod_that_a_node_evicted_is_charged() -> None:
    """An eviction of a pod that ran is the pod's fault, even where the kubelet left no status of its containers."""
    found = outcome_of(failed("Evicted", "The node was low on resource: memory."))
    assert (found.reason, action_for(found, None)) == ("Evicted", OutcomeAction.RETRY)


@pytest.mark.parametrize("pod", [failed(*REJECTIONS[0]), initialised(END)], ids=["rejected", "an init container"])
def test_a_pause_interrupts_what_never_ran(pod: JsonObject) -> None:
    """While the Run is paused or stopped, such an end is an interruption."""
    assert outcome_of(pod, ending=True).result == "Interrupted"
