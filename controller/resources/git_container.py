"""Pure: builds a container of the operator's image with git (images/git), which has the user and the resources of its agent's.

The user is the agent's, so that git finds an owner that it trusts, and files that only the agent may read are read, too.
"""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.ca_bundle import CaBundle
from controller.resources.reporter_sidecar import WORKSPACE_VOLUME

SOURCE_DIR, WORKSPACE_DIR, TMP_DIR = "/source", "/workspace", "/tmp"  # noqa: S108  # paths in the container
PRIVATE_SIZE = "16Mi"
"""Size of a folder with the private key and the certificates, in memory."""

SECRET_MODE = 0o440
"""The volumes' group reads the Secret: its user is the agent's, of whatever number."""

Mounted = tuple[JsonObject, JsonObject]
"""A volume and its mount in the container."""


class NoGitImage(Exception):
    """An agent needs the image with git, and the operator has none."""


def required(image: str | None, agent: str, field: str) -> str:
    """Return the image. Raises NoGitImage if there is none, for the `field` of the agent that needs it."""
    if not image:
        raise NoGitImage(
            f"agent {agent}: {field} needs the image with git, which the operator does not know: set git.image in the chart "
            "(--git-image)"
        )
    return image


def git_container(
    name: str, image: str, environment: dict[str, str], agent: JsonObject, mounts: list[JsonObject], *, read_only: bool
) -> JsonObject:
    """Return the container, with the workspace. `agent` is the judged container of the agent's template."""
    resources = without_devices(agent.get("resources") or {})
    workspace = {"name": WORKSPACE_VOLUME, "mountPath": WORKSPACE_DIR, **({"readOnly": True} if read_only else {})}
    return {
        "name": name,
        "image": image,
        "env": [{"name": variable, "value": literal(value)} for variable, value in environment.items()],
        **({"resources": resources} if resources else {}),
        "securityContext": {**user_of(agent), "readOnlyRootFilesystem": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [workspace, *mounts],
    }


def without_devices(resources: JsonObject) -> JsonObject:
    """Return requests and limits without devices, such as `nvidia.com/gpu`, which nothing but an agent's own work needs."""
    kept = {kind: {name: value for name, value in some.items() if "/" not in name} for kind, some in resources.items() if some}
    return {kind: some for kind, some in kept.items() if some}


def user_of(container: JsonObject) -> JsonObject:
    """Return the user and the group of a container, as far as it names them itself."""
    identity = container.get("securityContext") or {}
    return {key: identity[key] for key in ("runAsUser", "runAsGroup") if key in identity}


def literal(value: str) -> str:
    """Return a text of a container in which Kubernetes expands nothing."""
    return value.replace("$", "$$")


def secret(volume: str, name: str | None) -> list[Mounted]:
    """Return the volume of a repository's Secret and its mount, if there is one."""
    if name is None:
        return []
    mount = {"name": volume, "mountPath": f"{SOURCE_DIR}/secret", "readOnly": True}
    return [({"name": volume, "secret": {"secretName": name, "defaultMode": SECRET_MODE}}, mount)]


def authority(volume: str, bundle: CaBundle | None) -> list[Mounted]:
    """Return the volume of the CA certificates of a repository's server and its mount, if there are any."""
    if bundle is None:
        return []
    items = [{"key": bundle.key, "path": "ca.crt"}]
    mount = {"name": volume, "mountPath": f"{SOURCE_DIR}/ca", "readOnly": True}
    return [({"name": volume, "configMap": {"name": bundle.config_map_name, "items": items}}, mount)]


def private(volume: str) -> Mounted:
    """Return the volume of a folder in memory and its mount: what is written there reaches no disk."""
    return {"name": volume, "emptyDir": {"medium": "Memory", "sizeLimit": PRIVATE_SIZE}}, {"name": volume, "mountPath": TMP_DIR}
