"""Pure: builds what a verification's pod has of its own: a copy of the workspace, and the command that judges it.

Nothing of the agent is in the command's container but its image, its user and its limits: no environment, no Secret, no volume.
"""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.names import COPY_CONTAINER, VERIFY_CONTAINER
from controller.api.verification import Verify
from controller.resources.git_container import TMP_DIR, WORKSPACE_DIR, git_container, required
from controller.resources.git_environment import with_safe_directory
from controller.resources.task_basis import Basis, Command, command_container
from controller.resources.task_scripts import WITH_OUTPUT

COPY_VOLUME, TMP_VOLUME, OUTPUT_VOLUME = "runwatchman-copy", "runwatchman-copy-tmp", "runwatchman-output"
COPY_DIR, OUTPUT_DIR = "/copy", "/runwatchman/output"


def add_verification(spec: JsonObject, basis: Basis, verify: Verify) -> None:
    """Add volumes and containers to the spec of a task's pod. Raises NoGitImage."""
    image, size = required(basis.git_image, basis.agent.name, "verify"), {"sizeLimit": basis.workspace.size}
    spec["volumes"] += [
        {"name": COPY_VOLUME, "emptyDir": size},
        {"name": TMP_VOLUME, "emptyDir": size},
        {"name": OUTPUT_VOLUME, "emptyDir": {}},
    ]
    mounts = [{"name": COPY_VOLUME, "mountPath": COPY_DIR}, {"name": TMP_VOLUME, "mountPath": TMP_DIR}]
    copy = git_container(COPY_CONTAINER, image, _copied(basis), basis.judged, mounts, read_only=True)
    spec["initContainers"] = [{**copy, "command": ["rw-copy"]}]
    spec["containers"] = [_command(basis, verify)]


def _copied(basis: Basis) -> dict[str, str]:
    """Return the environment of the container that copies. Without a source it computes no tree."""
    source = basis.workspace.source
    known = {"RUNWATCHMAN_SOURCE_DIRECTORY": source.git.directory, "RUNWATCHMAN_SOURCE_BASE": basis.base} if source else {}
    return {"TMPDIR": TMP_DIR, "RUNWATCHMAN_WORKSPACE": WORKSPACE_DIR, "RUNWATCHMAN_COPY": COPY_DIR, **known}


def _command(basis: Basis, verify: Verify) -> JsonObject:
    """Return the container of the command, which begins in the repository of the copy, if there is one."""
    source, path = basis.workspace.source, basis.workspace.mount_path
    directory = source.git.directory if source else "."
    words = ("/bin/sh", "-c", WITH_OUTPUT, VERIFY_CONTAINER, OUTPUT_DIR, *verify.command)
    environment = [{"name": "RUNWATCHMAN_WORKSPACE", "value": path}, *with_safe_directory([], path)]
    command = Command(words, verify.image, verify.env_from, verify.resources)
    return {
        **command_container(VERIFY_CONTAINER, command, basis, environment),
        "workingDir": path if directory == "." else f"{path.rstrip('/')}/{directory}",
        "volumeMounts": [
            {"name": COPY_VOLUME, "mountPath": path},
            {"name": OUTPUT_VOLUME, "mountPath": OUTPUT_DIR},
        ],
    }
