"""The operator's own record of a Run: what it counts, has decided, and knows of its agents' ends. A store keeps it."""

from __future__ import annotations

from operator import not_
from typing import Annotated

from pydantic import Field, field_validator

from controller.api.advice import AdviceState
from controller.api.base import (
    MAX_COUNT,
    AgentName,
    ApiEnum,
    ApiModel,
    Count,
    ExitCode,
    KeptModel,
    Name,
    SecondsOrOff,
    Text,
    Time,
    Tokens,
    Word,
)
from controller.api.escalation import Decision
from controller.api.phases import Phase
from controller.api.publishing import PublishedStatus
from controller.api.run import MAX_AGENTS
from controller.api.source import SourceStatus
from controller.api.tasks import TaskState
from controller.api.verification import VerificationState

SCHEMA_VERSION, FIRST_SCHEMA_VERSION = 2, 1
"""The newest schema version of the operator's record that this release reads, and the one of records that need no newer one.

A record names the lowest version that its reader must know, so a new field that old readers may ignore does not raise it. A record
that needs a newer version is refused: no meaning is guessed.
"""

TASKS_SCHEMA_VERSION = 2
"""The version of a record that has had a task: a reader that knows no tasks would take a task's pod for the agent's."""

MAX_ASKED = 16
"""Questions of one agent that are remembered as asked. The oldest are dropped first."""

MAX_ADVICE = 16
"""Consultations about one agent that are remembered. The oldest are dropped first."""


class OutcomeResult(ApiEnum):
    """The result of an attempt."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"
    PARKED = "Parked"


class Outcome(KeptModel):
    """The end of an attempt."""

    attempt: Count = Field(description="The attempt, from 0.")
    result: OutcomeResult = Field(description="Completed, Failed, Interrupted by a pause or stop, or Parked for an answer.")
    reason: Word = Field(description="The reason, as one CamelCase word.")
    kubelet_reason: Word = Field(
        default="", exclude_if=not_, description="The kubelet's own reason, for example Error, Evicted or OutOfcpu."
    )
    message: Text = Field(default="", exclude_if=not_, description="The kubelet's message.")
    exit_code: ExitCode | None = Field(
        default=None, description="Exit code of the agent's container, or of the init container that failed."
    )
    finished_at: Time | None = Field(default=None, description="When that container ended, by the kubelet's clock.")


class ResultStatus(ApiModel):
    """The result that an agent reported at its end."""

    outcome: Word | None = Field(default=None, description="The outcome that the agent reported.")
    summary: Text | None = Field(default=None, description="The agent's summary of its work.")
    outputs: dict[Word, Text] | None = Field(default=None, max_length=16, description="Named outputs, for example a link.")


class Usage(ApiModel):
    """Usage of the agents, summed over attempts."""

    input_tokens: Tokens = Field(default=0, description="Input tokens.")
    output_tokens: Tokens = Field(default=0, description="Output tokens.")
    cost_micro_usd: Tokens = Field(default=0, alias="costMicroUSD", description="Cost in millionths of a US dollar.")


class LastFailure(KeptModel):
    """The last failure of an agent that costs a charged restart, and how often it has occurred in a row.

    An operator that does not know it leaves it as it is, and a human is then asked sooner or later. So no reader needs to know it.
    """

    attempt: Count = Field(description="The attempt that failed last, from 0.")
    digest: Word = Field(description="SHA-256 of the failure, hex: reason, exit code and last words without times and numbers.")
    times: Count = Field(default=1, description="How often the same failure has occurred in a row.")


class BlockedState(KeptModel):
    """A block: a situation that only a human can end, as it was escalated."""

    escalation: Name = Field(description="Name of the Escalation that was opened for it.")
    reason: Word = Field(description="Why the agent is blocked, as one CamelCase word.")
    since: Time = Field(description="When the situation was escalated.")
    expires_at: Time = Field(description="When the Run fails if nobody answers.")
    decision: Decision | None = Field(default=None, description="The human's decision, once it was carried out.")


class AgentState(KeptModel):
    """The operator's record of one agent."""

    attempt: Count = Field(default=0, description="The desired attempt, from 0.")
    pod_uid: Word = Field(
        default="", exclude_if=not_, alias="podUID", description="UID of that attempt's pod; empty until the UID is saved."
    )
    outcome: Outcome | None = Field(default=None, description="The end of that attempt.")
    last_outcome: Word = Field(default="", exclude_if=not_, description="The reason of the previous attempt's end.")
    restarts: Count = Field(default=0, description="Charged restarts that were not refunded.")
    free_restarts: Count = Field(default=0, description="Uncharged restarts, after disruptions and temporary failures.")
    limited_restarts: Count = Field(
        default=0, exclude_if=not_, description="Restarts after limits of the agent's provider, which are neither of these."
    )
    last_failure: LastFailure | None = Field(
        default=None, description="The last failure that costs a charged restart, if the policy counts those (repeatedFailures)."
    )
    last_restart_at: Time | None = Field(default=None, description="When the agent was last restarted.")
    cooldown_until: Time | None = Field(default=None, description="End of the cooldown: no restart before this time.")
    restarted_at: Time | None = Field(default=None, description="The last spec.restartedAt that was carried out.")
    blocked: BlockedState | None = Field(default=None, description="The block, while it lasts.")
    asked: tuple[Name, ...] = Field(
        default=(),
        exclude_if=not_,
        max_length=MAX_ASKED,
        description="Escalations that were opened for the agent's questions, newest last.",
    )
    prolonged: dict[Name, SecondsOrOff] = Field(
        default_factory=dict,
        exclude_if=not_,
        max_length=MAX_ASKED,
        description="Seconds by which pauses and halts have prolonged the time to answer, by the open question's escalation.",
    )
    woken_for: tuple[Name, ...] = Field(
        default=(),
        exclude_if=not_,
        max_length=MAX_ASKED,
        description="Those in asked that were answered or dismissed when the parked agent was last woken; none wakes it again.",
    )
    dismissed: dict[Name, Time] = Field(
        default_factory=dict,
        exclude_if=not_,
        max_length=MAX_ASKED,
        description="When it was noticed that somebody had deleted the escalation of a question, by the escalation; newest last.",
    )
    opened: Count = Field(
        default=0, exclude_if=not_, description="Escalations that were opened for the agent in the hour from openedSince."
    )
    opened_since: Time | None = Field(default=None, description="When the first escalation of that hour was opened.")
    advice: tuple[AdviceState, ...] = Field(
        default=(),
        exclude_if=not_,
        max_length=MAX_ADVICE,
        description="Consultations about the agent and their results, newest last.",
    )
    result: ResultStatus | None = Field(default=None, description="The result that the agent reported.")
    usage: Usage | None = Field(default=None, description="Usage of the attempts that have ended.")
    source: SourceStatus | None = Field(
        default=None,
        description="The clone in the workspace. Once it is recorded, no pod of the agent gets the repository's Secret.",
    )
    task: TaskState | None = Field(default=None, description="The task of the completed attempt that is due or runs.")
    verification: VerificationState | None = Field(default=None, description="How the last verification ended.")
    published: PublishedStatus | None = Field(default=None, description="What was published last.")


class StopDecision(KeptModel):
    """The decision to end a Run, with its reason. It is never revoked."""

    phase: Phase = Field(description="The phase that the Run ends in.")
    reason: Word = Field(description="The reason, as one CamelCase word.")
    message: Text = Field(default="", exclude_if=not_, description="The reason, for people.")
    at: Time = Field(description="When the decision was made.")
    completed_at: Time | None = Field(default=None, description="When the last agent had ended.")


class OperatorState(KeptModel):
    """The operator's own record of a Run, the basis of all budgets. It is not for users."""

    schema_version: Annotated[int, Field(ge=1, le=MAX_COUNT)] = Field(
        default=FIRST_SCHEMA_VERSION, description="The lowest schema version that a reader of this record must know."
    )
    run_uid: Word = Field(alias="runUID", description="UID of the Run that this record belongs to.")
    started_at: Time | None = Field(default=None, description="When the first agent was started.")
    paused_at: Time | None = Field(default=None, description="When the current pause began.")
    paused_seconds: SecondsOrOff = Field(
        default=0, exclude_if=not_, description="Total seconds of earlier pauses and halts, and of waits as in heldAt."
    )
    halted_at: Time | None = Field(
        default=None, description="When a halt ended the agents; the Run then waits for its turn. The pause's clock runs with it."
    )
    held_at: Time | None = Field(
        default=None, description="Since when providers hold back every unfinished agent. The deadline stands still."
    )
    stop: StopDecision | None = Field(default=None, description="The decision to end the Run.")
    agents: dict[AgentName, AgentState] = Field(
        default_factory=dict, max_length=MAX_AGENTS, description="The record of each agent."
    )
    updated_at: Time | None = Field(default=None, description="When this record was last changed.")

    @field_validator("schema_version")
    @classmethod
    def _readable(cls, version: int) -> int:
        """Refuse a record that only a newer version understands. The CRD accepts it, because it must not be lost."""
        if version > SCHEMA_VERSION:
            raise ValueError(
                f"{version} was written by a newer runwatchman, this one reads up to {SCHEMA_VERSION}: upgrade runwatchman"
            )
        return version


def lowest_reader(state: OperatorState) -> int:
    """Return the schema version that a reader of a record must know at least. It never falls: pods of former tasks may be left."""
    tasks = any(agent.task for agent in state.agents.values())
    return max(state.schema_version, TASKS_SCHEMA_VERSION if tasks else FIRST_SCHEMA_VERSION)
