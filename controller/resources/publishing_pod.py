"""Pure: builds what a publishing pod has of its own: the container that pushes, and the command that follows the push.

Only the first has the credential and the workspace, which it reads as hostile input (images/git/rw-publish). The command has
neither: a program that runs git in a folder of the agent's would run what the agent has configured there.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.names import PUBLISH_CONTAINER, PUSH_CONTAINER
from controller.api.publishing import Publish, PublishCommand
from controller.api.source import GitSource
from controller.api.timestamps import format_time
from controller.plan.tasks.publication import branch_of
from controller.resources.git_container import (
    SOURCE_DIR,
    TMP_DIR,
    WORKSPACE_DIR,
    Mounted,
    authority,
    git_container,
    private,
    required,
    secret,
    without_devices,
)
from controller.resources.task_basis import Basis, Command, command_container
from controller.resources.task_scripts import WITH_SUMMARY

SECRET_VOLUME, CA_VOLUME, TMP_VOLUME = "runwatchman-push", "runwatchman-push-ca", "runwatchman-push-tmp"  # volumes' names
OBJECTS_VOLUME, SUMMARY_VOLUME = "runwatchman-push-objects", "runwatchman-summary"
OBJECTS_DIR = f"{TMP_DIR}/runwatchman-publish"
"""Folder in which images/git/rw-publish has a repository of its own: on the disk, because it may be too large for memory."""

PUSH = ["rw-publish"]
"""The command of the container that pushes."""

SUMMARY_DIR, SUMMARY_SIZE = "/runwatchman/summary", "1Mi"
SUMMARY = f"{SUMMARY_DIR}/variables"


class Publication(NamedTuple):
    """What is published: the verified tree, the commit that the branch is known to have (both may be empty), and the time."""

    tree: str
    expected: str
    at: datetime


def add_publication(spec: JsonObject, basis: Basis, publish: Publish, given: Publication) -> None:
    """Add volumes and containers to the spec of a task's pod, none of which needs a device. Raises NoGitImage."""
    basis = basis._replace(judged=basis.judged | {"resources": without_devices(basis.judged.get("resources") or {})})
    image, source = required(basis.git_image, basis.agent.name, "publish"), _source(basis)
    own, summary = _volumes(basis, publish, source), {"name": SUMMARY_VOLUME, "mountPath": SUMMARY_DIR}
    spec["volumes"] += [*(volume for volume, _ in own), {"name": SUMMARY_VOLUME, "emptyDir": {"sizeLimit": SUMMARY_SIZE}}]
    name = PUSH_CONTAINER if publish.command else PUBLISH_CONTAINER
    mounts = [*(mount for _, mount in own), summary]
    push = git_container(name, image, _pushed(basis, publish, source, given), basis.judged, mounts, read_only=True)
    push["command"] = PUSH
    spec["initContainers"] = [push] if publish.command else []
    spec["containers"] = [_command(basis, publish.command, summary) if publish.command else push]


def _source(basis: Basis) -> GitSource:
    if basis.workspace.source is None:
        raise ValueError(f"agent {basis.agent.name} publishes a workspace without source")
    return basis.workspace.source.git


def _volumes(basis: Basis, publish: Publish, source: GitSource) -> list[Mounted]:
    """Return the volumes of the container that pushes, with the CA certificates of the source where the server is the same."""
    bundle = publish.git.ca_bundle or (source.ca_bundle if publish.git.url is None else None)
    objects = {"name": OBJECTS_VOLUME, "emptyDir": {"sizeLimit": basis.workspace.size}}
    return [
        *secret(SECRET_VOLUME, publish.git.secret_name),
        *authority(CA_VOLUME, bundle),
        private(TMP_VOLUME),
        (objects, {"name": OBJECTS_VOLUME, "mountPath": OBJECTS_DIR}),
    ]


def _pushed(basis: Basis, publish: Publish, source: GitSource, given: Publication) -> dict[str, str]:
    run, agent = basis.run, basis.agent
    return {
        "TMPDIR": TMP_DIR,
        "RUNWATCHMAN_WORKSPACE": WORKSPACE_DIR,
        "RUNWATCHMAN_SOURCE_DIR": SOURCE_DIR,
        "RUNWATCHMAN_SOURCE_DIRECTORY": source.directory,
        "RUNWATCHMAN_SOURCE_BASE": basis.base,
        "RUNWATCHMAN_PUBLISH_URL": publish.git.url or source.url,
        "RUNWATCHMAN_PUBLISH_BRANCH": branch_of(run, agent),
        "RUNWATCHMAN_PUBLISH_EXPECTED": given.expected,
        "RUNWATCHMAN_PUBLISH_TREE": given.tree,
        "RUNWATCHMAN_PUBLISH_MESSAGE": publish.git.message or f"Work of agent {agent.name} in Run {run.namespace}/{run.name}",
        "RUNWATCHMAN_PUBLISH_DATE": format_time(given.at),
        "RUNWATCHMAN_PUBLISH_SUMMARY": SUMMARY,
    }


def _command(basis: Basis, publish: PublishCommand, summary: JsonObject) -> JsonObject:
    """Return the container of the command after the push; its variables of the push are in the summary."""
    words = ("/bin/sh", "-c", WITH_SUMMARY, PUBLISH_CONTAINER, *publish.command)
    environment = [{"name": "RUNWATCHMAN_PUBLISH_SUMMARY", "value": SUMMARY}]
    command = Command(words, publish.image, publish.env_from)
    return {
        **command_container(PUBLISH_CONTAINER, command, basis, environment),
        "volumeMounts": [{**summary, "readOnly": True}],
    }
