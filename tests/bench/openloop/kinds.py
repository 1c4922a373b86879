"""The measured kinds of objects: each starts one container, alike except for its owner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from controller.api.base import JsonObject
from controller.kube.resources import PODS, RUNS, Resource
from tests.bench.controllers import IMAGE, JOBS, Stage, operator_for
from tests.bench.timeline import OVER
from tests.image import IMAGE as REPORTER_IMAGE
from tests.support import OperatorProcess, run_of

COMMAND = ["sleep", "2"]
"""Longer than a kubelet's second between two looks at its containers, so that a watch shows each of them running."""
ENDS_BY_ITSELF = {"test.runwatchman.dev/outcome": "succeed"}
"""For pods without an owner on simulated nodes."""
ENDED_RUN = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object: its body by name, whether it is finished, and its controller if we start that."""

    name: str
    resource: Resource
    body: Callable[[str], JsonObject]
    finished: Callable[[JsonObject], bool]
    start: Callable[[Stage, ExitStack], OperatorProcess | None]


def _template() -> JsonObject:
    pod: JsonObject = {"restartPolicy": "Never", "automountServiceAccountToken": False}
    pod["containers"] = [{"name": "agent", "image": IMAGE, "command": COMMAND}]
    return pod


def _pod(name: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": ENDS_BY_ITSELF}, "spec": _template()}


def _pod_with_volume(name: str) -> JsonObject:
    """A kubelet looks for a pod's volumes every 300 ms (its podAttachAndMountRetryInterval), and a Run's pod has volumes."""
    pod = _pod(name)
    pod["spec"]["volumes"] = [{"name": "scratch", "emptyDir": {}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "scratch", "mountPath": "/scratch"}]
    return pod


def _job(name: str) -> JsonObject:
    spec = {"backoffLimit": 0, "template": {"spec": _template()}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def _run(name: str) -> JsonObject:
    return run_of(name, {"image": IMAGE, "command": COMMAND})


def _is_over(pod: JsonObject) -> bool:
    return pod.get("status", {}).get("phase") in OVER


def _has_ended(job: JsonObject) -> bool:
    conditions = job.get("status", {}).get("conditions", ())
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)


def _is_ended(run: JsonObject) -> bool:
    return run.get("status", {}).get("phase") in ENDED_RUN


def _no_controller(_: Stage, __: ExitStack) -> None:
    return None


def _operator(options: tuple[str, ...], stage: Stage, stack: ExitStack) -> OperatorProcess:
    return operator_for(stage, stack, *options)


REPORTING = ("--reporter-image", REPORTER_IMAGE)
POD, POD_WITH_VOLUME, JOB, RUN, REPORTING_RUN = "pod", "pod-volume", "job", "run", "run-reporter"
KINDS = {
    each.name: each
    for each in (
        Kind(POD, PODS, _pod, _is_over, _no_controller),
        Kind(POD_WITH_VOLUME, PODS, _pod_with_volume, _is_over, _no_controller),
        Kind(JOB, JOBS, _job, _has_ended, _no_controller),
        Kind(RUN, RUNS, _run, _is_ended, partial(_operator, ())),
        Kind(REPORTING_RUN, RUNS, _run, _is_ended, partial(_operator, REPORTING)),
    )
}
"""The Job controller is the cluster's own, in its controller-manager."""
DEFAULT_KINDS = (POD, JOB, RUN)
