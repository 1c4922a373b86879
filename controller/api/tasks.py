"""The tasks that follow an agent's completed attempt, each in a pod of its own: its verification, then its publication."""

from __future__ import annotations

from operator import not_

from pydantic import Field

from controller.api.base import ApiEnum, Count, KeptModel, Text, Time, Word


class TaskKind(ApiEnum):
    """The kinds of tasks, in the order in which they run."""

    VERIFY = "Verify"
    PUBLISH = "Publish"


class TaskState(KeptModel):
    """The task that is due or runs for an agent's attempt."""

    kind: TaskKind = Field(description="Verify or Publish.")
    number: Count = Field(default=0, description="The try, from 0.")
    pod_uid: Word = Field(
        default="", exclude_if=not_, alias="podUID", description="UID of that try's pod; empty until the UID is saved."
    )
    retry_at: Time | None = Field(default=None, description="Time before which the next try does not start.")
    faults: Count = Field(
        default=0, exclude_if=not_, description="Tries that ended for a reason that is neither the agent's nor a human's."
    )
    failure: Word = Field(
        default="", exclude_if=not_, description="The reason why a human must help before the next try, as one CamelCase word."
    )
    message: Text = Field(default="", exclude_if=not_, description="How the last try ended, if another one follows.")
