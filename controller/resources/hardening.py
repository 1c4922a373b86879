"""Pure: gives a pod the restrictions of Pod Security, and what its policy and its namespace provide for every pod."""

from __future__ import annotations

from controller.api.base import JsonObject, dump
from controller.api.pod_policy import Provision
from controller.api.policy import HostUsers, RunPolicySpec
from controller.resources.pod_users import Users


def harden(spec: JsonObject, host_users: HostUsers, users: Users) -> None:
    """Set the fields of the `restricted` Pod Security standard. A template may only narrow them, which `check_run` has verified."""
    spec["restartPolicy"] = "Never"
    spec["automountServiceAccountToken"] = False
    spec["enableServiceLinks"] = False
    if host_users is HostUsers.PRIVATE:
        spec["hostUsers"] = False
    pod = spec.setdefault("securityContext", {})
    pod |= {"runAsUser": users.user, "runAsGroup": users.group, "fsGroup": users.fs_group}
    pod["runAsNonRoot"] = True
    pod["fsGroupChangePolicy"] = "OnRootMismatch"
    pod["seccompProfile"] = {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        context = container.setdefault("securityContext", {})
        context["allowPrivilegeEscalation"] = False
        context["capabilities"] = {"drop": ["ALL"]}


def provide(spec: JsonObject, policy: RunPolicySpec, provision: Provision) -> None:
    """Set the policy's runtime class, its resources on containers that name none, and the secrets that images are pulled with.

    A reporter has its own resources. Kubernetes adds the default ServiceAccount's pull secrets only to pods of that account.
    """
    secrets = [*(spec.get("imagePullSecrets") or []), *map(dump, policy.image_pull_secrets or ())]
    secrets += [{"name": name} for name in provision.pull_secrets]
    if secrets:
        spec["imagePullSecrets"] = [each for index, each in enumerate(secrets) if each not in secrets[:index]]
    if policy.runtime_class_name is not None:
        spec["runtimeClassName"] = policy.runtime_class_name
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        if policy.resources is not None and not any((container.get("resources") or {}).values()):
            container["resources"] = dump(policy.resources)
