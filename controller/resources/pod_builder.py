"""Pure: builds the pod of an agent's attempt."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.names import (
    ANNOTATION_BRIEF,
    ANNOTATION_RESTARTED_AT,
    FINALIZER_OUTCOME,
    GATE_ADMITTED,
    GROUP,
    LABEL_AGENT,
    LABEL_ATTEMPT,
    LABEL_NETWORK,
    LABEL_RUN,
    LABEL_RUN_UID,
    pod_name,
    workspace_name,
)
from controller.api.pod_metadata import PodMetadata
from controller.api.pod_policy import OWN_POD_SECURITY, Provision
from controller.api.pod_template import judged_container, pod_template
from controller.api.policy import NetworkMode, RunPolicySpec
from controller.api.run import Agent
from controller.api.source import SourceStatus
from controller.api.template_values import RESERVED_DIR as RUNWATCHMAN_DIR
from controller.api.timestamps import format_time
from controller.plan.attempts.start_stop import FIRST_ATTEMPT
from controller.plan.snapshot import RunFacts
from controller.resources.brief import Settled, brief_of
from controller.resources.cluster_defaults import add_cluster_defaults
from controller.resources.git_environment import with_safe_directory
from controller.resources.hardening import harden, provide
from controller.resources.network_policy_builder import MANAGED
from controller.resources.owner import owner_reference
from controller.resources.pod_users import pod_users, reporter_user
from controller.resources.reporter_sidecar import OUT_VOLUME, WORKSPACE_VOLUME, Sidecar, add_reporter
from controller.resources.source_container import add_source

WORKSPACE_DIR = "/workspace"
"""Mount path of the workspace unless the Run sets another one."""

OUT_SIZE_LIMIT = "64Mi"
"""Maximum size of an agent's outbox; beyond it the kubelet evicts the pod."""

BRIEF_VOLUME = "runwatchman-brief"
BRIEF_FILE = "brief.md"


DEFAULTS = RunPolicySpec()
NOTHING_PROVIDED = Provision()


class Cloning(NamedTuple):
    """The image that clones repositories, None if the operator has none, and the clone that the agent's workspace has already."""

    image: str | None = None
    cloned: SourceStatus | None = None


NO_CLONING = Cloning()


def build_pod(
    run: RunFacts,
    agent: Agent,
    attempt: int,
    last_outcome: str = "",
    settled: Settled | None = None,
    sidecar: Sidecar | None = None,
    policy: RunPolicySpec = DEFAULTS,
    provision: Provision = NOTHING_PROVIDED,
    cloning: Cloning = NO_CLONING,
) -> JsonObject:
    """Return the gated pod of one attempt.

    `last_outcome` is the reason of the previous attempt's end, empty for the first attempt. `settled` is added to its brief.
    `sidecar` configures its reporter. `policy` sets its resources, users, runtime and network, and `provision` what is left to the
    namespace. `cloning` is how a workspace gets its source. Raises NoUserLeft and NoGitImage.
    """
    template = pod_template(agent)
    spec = template["spec"]
    identity = {"RUNWATCHMAN_RUN": run.name, "RUNWATCHMAN_AGENT": agent.name, "RUNWATCHMAN_ATTEMPT": str(attempt)}
    security = policy.pod_security or OWN_POD_SECURITY
    add_source(spec, judged_container(spec), agent, cloning.image, cloning.cloned)
    harden(spec, policy.host_users, pod_users(spec, security, provision))
    provide(spec, policy, provision)
    add_cluster_defaults(spec, policy)
    _equip(spec, run, agent, identity, last_outcome)
    if sidecar is not None:
        user = reporter_user(spec, security, provision)
        own = replace(sidecar, user=user, group=security.reporter_run_as_group or user)
        own = replace(own, resources=policy.reporter_resources or sidecar.resources)
        add_reporter(spec, judged_container(spec), {**identity, "RUNWATCHMAN_RUN_UID": run.uid}, own)
    spec["schedulingGates"] = [{"name": GATE_ADMITTED}, *spec.get("schedulingGates", [])]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(run, agent, attempt, template.get("metadata", {}), settled or Settled(), policy),
        "spec": spec,
    }


def _metadata(run: RunFacts, agent: Agent, attempt: int, given: JsonObject, settled: Settled, policy: RunPolicySpec) -> JsonObject:
    labels = own_labels(run, agent, attempt, policy)
    own = policy.pod_metadata or PodMetadata()
    brief = brief_of(run.spec.brief if run.spec and run.spec.brief else "", settled)
    notes = {ANNOTATION_BRIEF: brief, **(_asked_before(run, agent) if attempt == FIRST_ATTEMPT else {})}
    return {
        "name": pod_name(run.name, agent.name, attempt),
        "namespace": run.namespace,
        "labels": {**(own.labels or {}), **given.get("labels", {}), **labels},
        "annotations": {**(own.annotations or {}), **given.get("annotations", {}), **notes},
        "finalizers": [FINALIZER_OUTCOME],
        "ownerReferences": [owner_reference(run)],
    }


def own_labels(run: RunFacts, agent: Agent, attempt: int, policy: RunPolicySpec) -> dict[str, str]:
    """Return the labels by which the operator knows the pods of an attempt and its tasks, and its NetworkPolicy selects them."""
    return {
        LABEL_RUN: run.name,
        LABEL_RUN_UID: run.uid,
        LABEL_AGENT: agent.name,
        LABEL_ATTEMPT: str(attempt),
        **({LABEL_NETWORK: MANAGED} if policy.network_policy is NetworkMode.MANAGED else {}),
    }


def _asked_before(run: RunFacts, agent: Agent) -> dict[str, str]:
    """Return the request for a restart that the first attempt fulfils, since it came before its pod."""
    asked = (run.spec.restarted_at or {}).get(agent.name) if run.spec else None
    return {ANNOTATION_RESTARTED_AT: format_time(asked)} if asked else {}


def _equip(spec: JsonObject, run: RunFacts, agent: Agent, identity: dict[str, str], last_outcome: str) -> None:
    """Add environment, brief, outbox and workspace to the judged container."""
    container = judged_container(spec)
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    mount_path = agent.workspace.mount_path if agent.workspace else WORKSPACE_DIR
    environment = {
        **identity,
        "RUNWATCHMAN_LAST_OUTCOME": last_outcome,
        "RUNWATCHMAN_DIR": RUNWATCHMAN_DIR,
        "RUNWATCHMAN_WORKSPACE": mount_path,
        "RUNWATCHMAN_SESSION_ID": session_id(run.uid, agent.name),
        **_new_session(run, agent),
    }
    own = with_safe_directory(container.get("env") or [], mount_path)
    container["env"] = [*({"name": name, "value": value} for name, value in environment.items()), *own]
    container["volumeMounts"] = [
        *container.get("volumeMounts", []),
        {"name": OUT_VOLUME, "mountPath": f"{RUNWATCHMAN_DIR}/out"},
        {
            "name": BRIEF_VOLUME,
            "mountPath": f"{RUNWATCHMAN_DIR}/{BRIEF_FILE}",
            "subPath": BRIEF_FILE,
            "readOnly": True,
        },
        {"name": WORKSPACE_VOLUME, "mountPath": mount_path},
    ]
    spec["volumes"] = [*spec.get("volumes", []), *_volumes(run, agent)]


def session_id(run_uid: str, agent: str) -> str:
    """Return an id for the agent's conversation: the same UUID for each of its attempts."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://{GROUP}/{run_uid}/{agent}"))


def _new_session(run: RunFacts, agent: Agent) -> dict[str, str]:
    """Return the time at which a human gave the agent's session up. `rw exec` records in the workspace what it has carried out."""
    asked = (run.spec.new_session_at or {}).get(agent.name) if run.spec else None
    return {"RUNWATCHMAN_NEW_SESSION": asked.isoformat()} if asked else {}


def _volumes(run: RunFacts, agent: Agent) -> list[JsonObject]:
    brief = {"path": BRIEF_FILE, "fieldRef": {"fieldPath": f"metadata.annotations['{ANNOTATION_BRIEF}']"}}
    kept = {"persistentVolumeClaim": {"claimName": workspace_name(run.name, agent.name)}}
    return [
        {"name": OUT_VOLUME, "emptyDir": {"sizeLimit": OUT_SIZE_LIMIT}},
        {"name": BRIEF_VOLUME, "downwardAPI": {"items": [brief]}},
        {"name": WORKSPACE_VOLUME, **(kept if agent.workspace else {"emptyDir": {}})},
    ]
