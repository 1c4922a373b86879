"""`Halt` and `ClusterHalt`: one switch for a namespace and one for the cluster. While it exists, no agent works or starts."""

from __future__ import annotations

from pydantic import Field

from controller.api.base import ApiModel, FilledText


class HaltSpec(ApiModel):
    """Who halted, and why. It is immutable."""

    reason: FilledText = Field(description="The reason, for everybody whose Runs do not continue.")
    by: FilledText = Field(description="Author of the halt: the user name that the API server sees.")


class Halt(ApiModel):
    """Halts the Runs of its namespace: their agents are ended gracefully, and nothing starts until it is deleted."""

    spec: HaltSpec = Field(description="Who halted, and why. It is immutable.")


class ClusterHalt(ApiModel):
    """Halts all Runs of the cluster: their agents are ended gracefully, and nothing starts until it is deleted."""

    spec: HaltSpec = Field(description="Who halted, and why. It is immutable.")
