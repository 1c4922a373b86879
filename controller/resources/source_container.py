"""Pure: builds the init container that clones a repository into an agent's workspace, once (images/git/rw-clone).

It has the agent's user, so that git finds an owner that it trusts, and the agent's resources, which its pod has anyway. Only it
mounts the repository's Secret, and only until the clone is on record: from then on an agent may have written in the workspace, and
no pod of it needs the credential.
"""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import SOURCE_CONTAINER
from controller.api.run import Agent
from controller.api.source import GitSource, SourceStatus
from controller.resources.reporter_sidecar import WORKSPACE_VOLUME

SECRET_VOLUME, CA_VOLUME, TMP_VOLUME = "runwatchman-source", "runwatchman-source-ca", "runwatchman-source-tmp"  # volumes' names
SOURCE_DIR, WORKSPACE_DIR, TMP_DIR = "/source", "/workspace", "/tmp"  # noqa: S108  # paths in the container
TMP_SIZE = "16Mi"
"""Size of the folder with the private key and the certificates, in memory."""

SECRET_MODE = 0o440
"""The volumes' group reads the Secret: its user is the agent's, of whatever number."""


class NoGitImage(Exception):
    """An agent's workspace has a source, and the operator has no image that clones."""


def add_source(spec: JsonObject, container: JsonObject, agent: Agent, image: str | None, cloned: SourceStatus | None) -> None:
    """Add the container to a pod's spec before its other init containers, if the agent's workspace has a source.

    `container` is the judged one, `cloned` what is on record. Raises NoGitImage.
    """
    source = agent.workspace.source if agent.workspace else None
    if source is None:
        return
    if not image:
        raise NoGitImage(
            f"agent {agent.name}: workspace.source needs the image that clones, which the operator does not know: set git.image in "
            "the chart (--git-image)"
        )
    volumes = [] if cloned else [*_secret(source.git), *_authority(source.git)]
    tmp = {"name": TMP_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": TMP_SIZE}}
    spec["initContainers"] = [_container(container, source.git, image, cloned), *(spec.get("initContainers") or [])]
    spec["volumes"] = [*(spec.get("volumes") or []), *(volume for volume, _ in volumes), tmp]
    spec["initContainers"][0]["volumeMounts"] += [mount for _, mount in volumes]


def _container(agent: JsonObject, git: GitSource, image: str, cloned: SourceStatus | None) -> JsonObject:
    identity = agent.get("securityContext") or {}
    return {
        "name": SOURCE_CONTAINER,
        "image": image,
        "env": [{"name": name, "value": _literal(value)} for name, value in _environment(git, cloned).items()],
        **({"resources": agent["resources"]} if agent.get("resources") else {}),
        "securityContext": {
            **{key: identity[key] for key in ("runAsUser", "runAsGroup") if key in identity},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": WORKSPACE_VOLUME, "mountPath": WORKSPACE_DIR},
            {"name": TMP_VOLUME, "mountPath": TMP_DIR},
        ],
    }


def _environment(git: GitSource, cloned: SourceStatus | None) -> dict[str, str]:
    return {
        "TMPDIR": TMP_DIR,
        "RUNWATCHMAN_WORKSPACE": WORKSPACE_DIR,
        "RUNWATCHMAN_SOURCE_DIR": SOURCE_DIR,
        "RUNWATCHMAN_SOURCE_URL": git.url,
        "RUNWATCHMAN_SOURCE_REVISION": git.revision or "",
        "RUNWATCHMAN_SOURCE_DEPTH": str(git.depth or ""),
        "RUNWATCHMAN_SOURCE_SUBMODULES": str(git.submodules).lower(),
        "RUNWATCHMAN_SOURCE_DIRECTORY": git.directory,
        "RUNWATCHMAN_SOURCE_BASE": cloned.revision if cloned else "",
    }


def _literal(value: str) -> str:
    """Return a variable's value in which Kubernetes expands nothing."""
    return value.replace("$", "$$")


def _secret(git: GitSource) -> list[tuple[JsonObject, JsonObject]]:
    """Return the volume of the Secret and its mount, if there is one."""
    if git.secret_name is None:
        return []
    volume = {"name": SECRET_VOLUME, "secret": {"secretName": git.secret_name, "defaultMode": SECRET_MODE}}
    return [(volume, {"name": SECRET_VOLUME, "mountPath": f"{SOURCE_DIR}/secret", "readOnly": True})]


def _authority(git: GitSource) -> list[tuple[JsonObject, JsonObject]]:
    if git.ca_bundle is None:
        return []
    items = [{"key": git.ca_bundle.key, "path": "ca.crt"}]
    volume = {"name": CA_VOLUME, "configMap": {"name": git.ca_bundle.config_map_name, "items": items}}
    return [(volume, {"name": CA_VOLUME, "mountPath": f"{SOURCE_DIR}/ca", "readOnly": True})]
