"""Pure: builds the init container that clones a repository into an agent's workspace, once (images/git/rw-clone).

Its resources are the agent's, which its pod has anyway. Only it mounts the repository's Secret, and only until the clone is on
record: from then on an agent may have written in the workspace, and no pod of it needs the credential.
"""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import SOURCE_CONTAINER
from controller.api.run import Agent
from controller.api.source import GitSource, SourceStatus
from controller.resources.git_container import (
    SOURCE_DIR,
    TMP_DIR,
    WORKSPACE_DIR,
    authority,
    git_container,
    private,
    required,
    secret,
)

SECRET_VOLUME, CA_VOLUME, TMP_VOLUME = "runwatchman-source", "runwatchman-source-ca", "runwatchman-source-tmp"  # volumes' names


def add_source(spec: JsonObject, container: JsonObject, agent: Agent, image: str | None, cloned: SourceStatus | None) -> None:
    """Add the container to a pod's spec before its other init containers, if the agent's workspace has a source.

    `container` is the judged one, `cloned` what is on record. Raises NoGitImage.
    """
    source = agent.workspace.source if agent.workspace else None
    if source is None:
        return
    git = source.git
    image = required(image, agent.name, "workspace.source")
    credential = [] if cloned else [*secret(SECRET_VOLUME, git.secret_name), *authority(CA_VOLUME, git.ca_bundle)]
    tmp, tmp_mount = private(TMP_VOLUME)
    mounts = [tmp_mount, *(mount for _, mount in credential)]
    clone = git_container(SOURCE_CONTAINER, image, _environment(git, cloned), container, mounts, read_only=False)
    spec["initContainers"] = [clone, *(spec.get("initContainers") or [])]
    spec["volumes"] = [*(spec.get("volumes") or []), *(volume for volume, _ in credential), tmp]


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
