"""Pure: builds the pod of a task that follows an attempt: its verification or its publication.

It is fenced, restricted and scheduled as the attempt's own pod was. It has no reporter, no token, no brief, and nothing that the
template gives the agent: neither environment nor volumes, nor the labels and annotations by which an injector gives credentials.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.names import FINALIZER_OUTCOME, GATE_ADMITTED, LABEL_TASK, task_label, task_pod_name, workspace_name
from controller.api.pod_metadata import PodMetadata
from controller.api.pod_policy import OWN_POD_SECURITY, Provision
from controller.api.pod_template import judged_container, pod_template
from controller.api.policy import RunPolicySpec
from controller.api.run import Agent
from controller.api.source import SourceStatus
from controller.api.tasks import TaskKind
from controller.plan.snapshot import RunFacts
from controller.resources.cluster_defaults import add_cluster_defaults
from controller.resources.hardening import harden, provide
from controller.resources.owner import owner_reference
from controller.resources.pod_builder import own_labels
from controller.resources.pod_users import pod_users
from controller.resources.publishing_pod import Publication, add_publication
from controller.resources.reporter_sidecar import WORKSPACE_VOLUME
from controller.resources.task_basis import Basis
from controller.resources.task_scripts import TASK_GRACE_SECONDS
from controller.resources.verification_pod import add_verification

SCHEDULED_BY = (
    *("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "runtimeClassName", "schedulerName"),
    *("priorityClassName", "imagePullSecrets", "dnsPolicy", "dnsConfig", "hostAliases", "hostUsers", "securityContext"),
)
"""Fields of the agent's template that its tasks have as well: where its pods may run, as whom, and which names they resolve."""


class Task(NamedTuple):
    """A task of an agent's attempt; `number` is the try, from 0. `cloned` is the clone in the workspace, if it has a source.

    A publication needs to know what is published.
    """

    kind: TaskKind
    attempt: int
    number: int = 0
    cloned: SourceStatus | None = None
    publication: Publication | None = None


def build_task_pod(
    run: RunFacts, agent: Agent, task: Task, image: str | None, policy: RunPolicySpec, provision: Provision
) -> JsonObject:
    """Return the gated pod of a task.

    `image` is the one with git. `policy` and `provision` set what they set for the agent's own pods. Raises NoGitImage.
    """
    template = pod_template(agent)["spec"]
    spec: JsonObject = {key: template[key] for key in SCHEDULED_BY if key in template}
    spec["terminationGracePeriodSeconds"] = TASK_GRACE_SECONDS
    spec["volumes"] = [_workspace(run, agent)]
    _add_containers(spec, Basis(run, agent, judged_container(template), image, task.cloned), task)
    harden(spec, policy.host_users, pod_users(spec, policy.pod_security or OWN_POD_SECURITY, provision))
    provide(spec, policy, provision)
    add_cluster_defaults(spec, policy)
    spec["schedulingGates"] = [{"name": GATE_ADMITTED}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(run, agent, task, policy), "spec": spec}


def _add_containers(spec: JsonObject, basis: Basis, task: Task) -> None:
    run, agent = basis.run, basis.agent
    if task.kind is TaskKind.VERIFY and agent.verify:
        add_verification(spec, basis, agent.verify)
    elif task.kind is TaskKind.PUBLISH and agent.publish and task.publication:
        add_publication(spec, basis, agent.publish, task.publication)
    else:
        raise ValueError(f"agent {agent.name} has no task {task.kind}")
    environment = {"RUNWATCHMAN_RUN": run.name, "RUNWATCHMAN_AGENT": agent.name, "RUNWATCHMAN_ATTEMPT": str(task.attempt)}
    for container in spec["containers"]:
        container["env"] = [*({"name": name, "value": value} for name, value in environment.items()), *container["env"]]


def _workspace(run: RunFacts, agent: Agent) -> JsonObject:
    """Return the volume of the workspace. Every container that has it mounts it read-only."""
    return {"name": WORKSPACE_VOLUME, "persistentVolumeClaim": {"claimName": workspace_name(run.name, agent.name)}}


def _metadata(run: RunFacts, agent: Agent, task: Task, policy: RunPolicySpec) -> JsonObject:
    own = policy.pod_metadata or PodMetadata()
    labels = {**own_labels(run, agent, task.attempt, policy), LABEL_TASK: task_label(task.kind)}
    return {
        "name": task_pod_name(run.name, agent.name, task.attempt, task.kind, task.number),
        "namespace": run.namespace,
        "labels": {**(own.labels or {}), **labels},
        "annotations": dict(own.annotations or {}),
        "finalizers": [FINALIZER_OUTCOME],
        "ownerReferences": [owner_reference(run)],
    }
