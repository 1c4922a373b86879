"""The `Run`: a user's request to run and supervise agents."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from controller.api.base import (
    MAX_TOKENS,
    AgentName,
    ApiEnum,
    ApiModel,
    Argument,
    FilledText,
    LongText,
    Name,
    Path,
    Seconds,
    SecondsOrOff,
    Time,
)
from controller.api.container_fields import EnvFrom, EnvVar, Image, PullPolicy, Resources
from controller.api.publishing import Publish
from controller.api.quantity import Quantity
from controller.api.source import Source
from controller.api.verification import Verify
from controller.strict.constraints import Whole

MAX_AGENTS = 32
MAX_RUN_NAME = 40
"""Leaves room for `-<agent>-workspace` and `-<agent>-r<n>` within the limits of labels and names."""


class DesiredState(ApiEnum):
    """The state of the Run that the user wants."""

    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"


class AccessMode(ApiEnum):
    """The access mode of a workspace."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_WRITE_MANY = "ReadWriteMany"


class Workspace(ApiModel):
    """A volume that is kept across attempts and deleted with the Run."""

    size: Quantity = Field(default="10Gi", description="Size of the volume in bytes, as a quantity such as 10Gi.")
    storage_class_name: Name | None = Field(
        default=None, description="StorageClass of the volume; the cluster's default when not set."
    )
    access_mode: AccessMode = Field(default=AccessMode.READ_WRITE_ONCE, description="Access mode of the volume.")
    mount_path: Path = Field(default="/workspace", description="Path of the volume in the agent's container.")
    source: Source | None = Field(
        default=None, description="A repository that is cloned into the volume before the agent starts for the first time."
    )


class Agent(ApiModel):
    """One agent, which has one pod at a time. Set exactly one of image (the short form) and template."""

    name: AgentName = Field(description="Unique in the Run: a lower-case letter, then up to 31 letters or digits, no hyphen.")
    image: Image | None = Field(default=None, description="Container image of the short form.")
    command: tuple[Argument, ...] | None = Field(
        default=None, max_length=64, description="Entrypoint of the short form; the image's when not set."
    )
    args: tuple[Argument, ...] | None = Field(default=None, max_length=256, description="Arguments of the short form's entrypoint.")
    env: tuple[EnvVar, ...] | None = Field(default=None, max_length=256, description="Environment of the short form.")
    env_from: tuple[EnvFrom, ...] | None = Field(
        default=None,
        max_length=32,
        description="Secrets and ConfigMaps whose keys become the short form's environment.",
    )
    resources: Resources | None = Field(default=None, description="Requests and limits of the short form.")
    image_pull_policy: PullPolicy | None = Field(default=None, description="Pull policy of the short form's image.")
    template: dict[str, Any] | None = Field(
        default=None,
        description=(
            "A pod template {metadata, spec} instead of the short form. The operator checks it against a list of allowed "
            "fields and reports a refused one, with its path, in the condition Finished. The container named agent, or the "
            "only one, is the judged container: its end is the agent's end."
        ),
    )
    provider: Name | None = Field(
        default=None,
        description="Name of a Provider in the Run's namespace: the account or model endpoint that the agent draws on.",
    )
    required: bool = Field(
        default=True,
        description="Whether the Run needs this agent to complete; the other agents are stopped when the Run completes.",
    )
    workspace: Workspace | None = Field(
        default=None,
        description="A volume kept across attempts; without it the workspace is an emptyDir, lost with its pod.",
    )
    verify: Verify | None = Field(
        default=None,
        description="A command that checks the agent's work, in a pod of its own, before the agent counts as complete. Needs a"
        " workspace.",
    )
    publish: Publish | None = Field(
        default=None,
        description="Where the agent's work is pushed once it is complete and verified. Needs workspace.source.",
    )


class PolicyRef(ApiModel):
    """A reference to a RunPolicy."""

    name: Name = Field(description="Name of a RunPolicy in the Run's namespace.")


class RunSpec(ApiModel):
    """The user's request. `agents`, `brief` and `requestedBy` are immutable."""

    agents: Annotated[tuple[Agent, ...], Field(min_length=1, max_length=MAX_AGENTS)] = Field(
        description="The agents of this Run, 1 to 32, at least one of them required. Immutable."
    )
    brief: LongText | None = Field(
        default=None,
        description="The prompt, up to 16384 characters; agents read it in /runwatchman/brief.md. Immutable.",
    )
    requested_by: FilledText | None = Field(
        default=None,
        description="User who asked for the Run. The admission policies accept only the author's own name, or any name from a user"
        " with the verb requestfor on runs; without them nobody checks it. Immutable.",
    )
    policy_ref: PolicyRef | None = Field(
        default=None,
        description="The RunPolicy to apply; when not set, the one named default, else the operator's own policy.",
    )
    desired_state: DesiredState = Field(
        default=DesiredState.RUNNING,
        description="Running; Paused ends the agents and keeps their workspaces; Stopped ends the Run for good.",
    )
    active_deadline_seconds: Seconds | None = Field(
        default=None,
        description="Seconds from the first start, without pauses and waits for providers, after which the Run fails;"
        " 1 to 31536000.",
    )
    ttl_seconds_after_finished: SecondsOrOff | None = Field(
        default=None,
        description="Seconds after its end at which the Run is deleted; 0 to 31536000; the policy's when not set.",
    )
    token_budget: Annotated[int, Whole(1, MAX_TOKENS)] | None = Field(
        default=None, description="Input and output tokens that all agents together may use; 1 to 1000000000000."
    )
    restarted_at: dict[AgentName, Time] | None = Field(
        default=None,
        max_length=MAX_AGENTS,
        description="Map of agent to time (RFC 3339); each new time restarts the agent once.",
    )
    new_session_at: dict[AgentName, Time] | None = Field(
        default=None,
        max_length=MAX_AGENTS,
        description="Map of agent to time (RFC 3339); after each new time the agent's next start through `rw exec` begins a new"
        " session of its CLI.",
    )


class Run(ApiModel):
    """A supervised run of one or more AI coding agents."""

    spec: RunSpec = Field(description="The user's request. agents, brief and requestedBy are immutable.")
