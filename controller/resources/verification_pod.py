"""Pure: builds what a verification's pod has of its own: a copy of the workspace, and the command that judges it.

Nothing of the agent is in the command's container but its image, its user and its limits: no environment, no Secret, no volume.
"""

from __future__ import annotations

from controller.api.base import JsonObject, dump
from controller.api.names import COPY_CONTAINER, VERIFY_CONTAINER
from controller.api.run import Agent, Workspace
from controller.api.source import SourceStatus
from controller.api.verification import Verify
from controller.resources.git_container import TMP_DIR, WORKSPACE_DIR, git_container, literal, required, user_of
from controller.resources.git_environment import with_safe_directory
from controller.resources.task_scripts import WITH_OUTPUT

COPY_VOLUME, TMP_VOLUME, OUTPUT_VOLUME = "runwatchman-copy", "runwatchman-copy-tmp", "runwatchman-output"
COPY_DIR, OUTPUT_DIR = "/copy", "/runwatchman/output"


def add_verification(
    spec: JsonObject, agent: Agent, verify: Verify, judged: JsonObject, image: str | None, cloned: SourceStatus | None
) -> None:
    """Add volumes and containers to the spec of a task's pod.

    `judged` is the agent's own container, `image` the one with git, `cloned` the clone in the workspace. Raises NoGitImage.
    """
    image, workspace = required(image, agent.name, "verify"), agent.workspace or Workspace()
    size = {"sizeLimit": workspace.size}
    spec["volumes"] += [
        {"name": COPY_VOLUME, "emptyDir": size},
        {"name": TMP_VOLUME, "emptyDir": size},
        {"name": OUTPUT_VOLUME, "emptyDir": {}},
    ]
    mounts = [{"name": COPY_VOLUME, "mountPath": COPY_DIR}, {"name": TMP_VOLUME, "mountPath": TMP_DIR}]
    copy = git_container(COPY_CONTAINER, image, _copied(workspace, cloned), judged, mounts, read_only=True)
    spec["initContainers"] = [{**copy, "command": ["rw-copy"]}]
    spec["containers"] = [_command(workspace, verify, judged)]


def _copied(workspace: Workspace, cloned: SourceStatus | None) -> dict[str, str]:
    """Return the environment of the container that copies. Without a source it computes no tree."""
    git = workspace.source.git if workspace.source else None
    source = {"RUNWATCHMAN_SOURCE_DIRECTORY": git.directory, "RUNWATCHMAN_SOURCE_BASE": cloned.revision if cloned else ""} if git else {}
    return {"TMPDIR": TMP_DIR, "RUNWATCHMAN_WORKSPACE": WORKSPACE_DIR, "RUNWATCHMAN_COPY": COPY_DIR, **source}


def _command(workspace: Workspace, verify: Verify, judged: JsonObject) -> JsonObject:
    directory = workspace.source.git.directory if workspace.source else "."
    resources = dump(verify.resources) if verify.resources else judged.get("resources")
    pulled = {"imagePullPolicy": judged["imagePullPolicy"]} if not verify.image and judged.get("imagePullPolicy") else {}
    words = ["/bin/sh", "-c", WITH_OUTPUT, VERIFY_CONTAINER, OUTPUT_DIR, *verify.command]
    return {
        "name": VERIFY_CONTAINER,
        "image": verify.image or judged["image"],
        **pulled,
        "command": [literal(word) for word in words],
        "workingDir": workspace.mount_path if directory == "." else f"{workspace.mount_path.rstrip('/')}/{directory}",
        "env": [{"name": "RUNWATCHMAN_WORKSPACE", "value": workspace.mount_path}, *with_safe_directory([], workspace.mount_path)],
        **({"envFrom": [dump(each) for each in verify.env_from]} if verify.env_from else {}),
        **({"resources": resources} if resources else {}),
        **({"securityContext": user} if (user := user_of(judged)) else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": COPY_VOLUME, "mountPath": workspace.mount_path},
            {"name": OUTPUT_VOLUME, "mountPath": OUTPUT_DIR},
        ],
    }
