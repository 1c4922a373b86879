"""The status of a `Run`, the operator's own state in it included."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from controller.api.advice import AdviceState
from controller.api.base import (
    MAX_COUNT,
    AgentName,
    ApiEnum,
    ApiModel,
    Count,
    KeptModel,
    Name,
    SecondsOrOff,
    Text,
    Time,
    Tokens,
    Word,
)
from controller.api.escalation import Decision
from controller.api.policy import NetworkMode
from controller.api.run import MAX_AGENTS

SCHEMA_VERSION = 1
"""The newest form of the operator's record that this version reads. A record says which form its reader must know at least: the
lowest that will do, so that a field which may be left unread raises nothing. A newer one is refused, never guessed at.
"""


MAX_ASKED = 16
"""Questions of one agent that are remembered as asked; the oldest are forgotten first."""

MAX_ADVICE = 16
"""Consultations about one agent that are remembered; the oldest are forgotten first."""

MAX_EXACT = 2**53 - 1
"""The largest whole number that JSON schema's bounds, which are floats, hold exactly."""

Generation = Annotated[int, Field(ge=0, le=MAX_EXACT)]


class Phase(ApiEnum):
    """Where a Run stands."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    AWAITING_GUIDANCE = "AwaitingGuidance"
    AWAITING_APPROVAL = "AwaitingApproval"
    BLOCKED = "Blocked"
    PAUSED = "Paused"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    COMPLETED = "Completed"


TERMINAL_PHASES = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.STOPPED})


class Health(ApiEnum):
    """How an agent stands."""

    STARTING = "Starting"
    QUEUED = "Queued"
    HEALTHY = "Healthy"
    UNREADY = "Unready"
    AWAITING_GUIDANCE = "AwaitingGuidance"
    ACTIVITY_STALLED = "ActivityStalled"
    PROGRESS_STALLED = "ProgressStalled"
    PENDING_STALLED = "PendingStalled"
    REPORTER_SILENT = "ReporterSilent"
    UNREACHABLE = "Unreachable"
    DEAD = "Dead"
    COMPLETE = "Complete"


class ConditionStatus(ApiEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """A metav1.Condition."""

    type: Word = Field(description="Type of the condition: Finished, Succeeded, Healthy, PolicyResolved and others.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Word = Field(description="Why, as one CamelCase word.")
    message: Text = Field(default="", description="Why, for people.")
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: Generation | None = Field(default=None, description="The metadata.generation that this was judged from.")


class OutcomeResult(ApiEnum):
    """What an attempt's end means."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    INTERRUPTED = "Interrupted"
    PARKED = "Parked"


class Outcome(KeptModel):
    """How an attempt ended."""

    attempt: Count = Field(description="The attempt, from 0.")
    result: OutcomeResult = Field(description="Completed, Failed, Interrupted by a pause or stop, or Parked for an answer.")
    reason: Word = Field(description="Why, as one CamelCase word.")
    kubelet_reason: Word = Field(default="", description="The kubelet's own reason, for example Error or Evicted.")
    message: Text = Field(default="", description="Why, in the kubelet's words.")
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = Field(
        default=None, description="Exit code of the agent's container."
    )
    finished_at: Time | None = Field(default=None, description="When the agent's container ended, by the kubelet's clock.")


class ResultStatus(ApiModel):
    """What an agent reported at its end."""

    outcome: Word | None = Field(default=None, description="The outcome that the agent reported.")
    summary: Text | None = Field(default=None, description="What the agent says it has done.")
    outputs: dict[Word, Text] | None = Field(default=None, max_length=16, description="Named outputs, for example a link.")


class Usage(ApiModel):
    """What the agents have used, summed over attempts."""

    input_tokens: Tokens = Field(default=0, description="Input tokens.")
    output_tokens: Tokens = Field(default=0, description="Output tokens.")
    cost_micro_usd: Tokens = Field(default=0, alias="costMicroUSD", description="Cost in millionths of a US dollar.")


class BlockedState(KeptModel):
    """The situation that only a human can end, as it was escalated."""

    escalation: Name = Field(description="Name of the Escalation that was opened for it.")
    reason: Word = Field(description="Why the agent is blocked, as one CamelCase word.")
    since: Time = Field(description="When it was escalated.")
    expires_at: Time = Field(description="When the Run fails unless somebody helps.")
    decision: Decision | None = Field(default=None, description="What a human decided, once it was honoured.")


class AgentState(KeptModel):
    """What the operator has done for one agent."""

    attempt: Count = Field(default=0, description="The desired attempt, from 0.")
    pod_uid: Word = Field(default="", alias="podUID", description="UID of that attempt's pod; empty until it is saved.")
    outcome: Outcome | None = Field(default=None, description="How that attempt ended.")
    last_outcome: Word = Field(default="", description="The reason that the previous attempt ended with.")
    restarts: Count = Field(default=0, description="Charged restarts that were not given back.")
    free_restarts: Count = Field(default=0, description="Restarts that were not charged: disruptions, temporary failures.")
    last_restart_at: Time | None = Field(default=None, description="When the agent was last restarted.")
    cooldown_until: Time | None = Field(default=None, description="Before this the agent is not restarted again.")
    restarted_at: Time | None = Field(default=None, description="The spec.restartedAt that was last honoured.")
    blocked: BlockedState | None = Field(default=None, description="What only a human can end, while it lasts.")
    asked: tuple[Name, ...] = Field(
        default=(), max_length=MAX_ASKED, description="Escalations that were opened for the agent's questions, newest last."
    )
    woken_for: tuple[Name, ...] = Field(
        default=(),
        max_length=MAX_ASKED,
        description="Those of them that were answered or dismissed when the parked agent was last woken: none wakes it again.",
    )
    opened: Count = Field(
        default=0, description="Escalations that were opened for the agent within the hour that openedSince began."
    )
    opened_since: Time | None = Field(default=None, description="When the first of them was opened.")
    advice: tuple[AdviceState, ...] = Field(
        default=(),
        max_length=MAX_ADVICE,
        description="What became of the consultations about the agent, newest last.",
    )
    result: ResultStatus | None = Field(default=None, description="What the agent said that it had come to.")
    usage: Usage | None = Field(default=None, description="What the attempts that have ended had used.")


class StopDecision(KeptModel):
    """The end of a Run that was decided, and why. It is never taken back."""

    phase: Phase = Field(description="The phase that the Run ends in.")
    reason: Word = Field(description="Why, as one CamelCase word.")
    message: Text = Field(default="", description="Why, for people.")
    at: Time = Field(description="When it was decided.")
    completed_at: Time | None = Field(default=None, description="When the last agent had ended.")


class OperatorState(KeptModel):
    """The operator's own record of a Run: the basis of every budget. Not for users."""

    schema_version: Annotated[int, Field(ge=1, le=MAX_COUNT)] = Field(
        default=SCHEMA_VERSION, description="The form of this record that its reader must know at least."
    )
    run_uid: Word = Field(alias="runUID", description="UID of the Run that this record belongs to.")
    started_at: Time | None = Field(default=None, description="When the first agent was started.")
    paused_at: Time | None = Field(default=None, description="When the Run was paused, while it is.")
    paused_seconds: SecondsOrOff = Field(default=0, description="Seconds of former pauses.")
    stop: StopDecision | None = Field(default=None, description="The end that was decided.")
    agents: dict[AgentName, AgentState] = Field(
        default_factory=dict, max_length=MAX_AGENTS, description="What was done for each agent."
    )
    updated_at: Time | None = Field(default=None, description="When this record was last changed.")

    @field_validator("schema_version")
    @classmethod
    def _readable(cls, version: int) -> int:
        """Refuse what only a newer version understands; the CRD takes it, since it must keep what this version may not read."""
        if version > SCHEMA_VERSION:
            raise ValueError(f"{version} was written by a newer runwarden, this one reads up to {SCHEMA_VERSION}: upgrade it")
        return version


class AgentStatus(ApiModel):
    """How one agent stands."""

    name: AgentName = Field(description="The agent.")
    attempt: Count = Field(default=0, description="Its current attempt, from 0.")
    pod_name: Name | None = Field(default=None, description="The pod of that attempt.")
    health: Health = Field(description="How it stands.")
    reason: Word | None = Field(default=None, description="Why, as one CamelCase word.")
    message: Text | None = Field(default=None, description="Why, in the words of the kubelet or scheduler.")
    restarts: Count = Field(default=0, description="Charged restarts.")
    cooldown_until: Time | None = Field(default=None, description="Before this the agent is not restarted again.")
    outcome: OutcomeResult | None = Field(default=None, description="How its attempt ended.")
    result: ResultStatus | None = Field(default=None, description="What it reported at its end.")
    advice: AdviceState | None = Field(default=None, description="The last consultation about it.")


class PlanAction(ApiModel):
    """One action of the plan."""

    intent: Word = Field(description="What the action is for.")
    reason: Word = Field(description="Why, as one CamelCase word.")
    agent: AgentName | None = Field(default=None, description="The agent that it concerns.")


class PlanStatus(ApiModel):
    """The last plan that acted."""

    digest: Word = Field(description="SHA-256 of the plan, hex: the same situation gives the same digest.")
    actions: tuple[PlanAction, ...] = Field(default=(), max_length=128, description="What was done.")


class PolicyStatus(ApiModel):
    """The policy in force."""

    name: Name = Field(description="The RunPolicy, or the operator's file or defaults.")
    digest: Word = Field(description="SHA-256 of the policy's values, hex.")
    network_policy: NetworkMode | None = Field(
        default=None, description="Managed where the operator keeps a NetworkPolicy for the Run's agents, else Unmanaged."
    )


class RunStatus(ApiModel):
    """What the operator observed and did."""

    phase: Phase | None = Field(default=None, description="Where the Run stands.")
    reason: Word | None = Field(default=None, description="Why it stands there, as one CamelCase word.")
    message: Text | None = Field(default=None, description="Why it stands there, for people.")
    observed_generation: Generation | None = Field(
        default=None, description="The metadata.generation that this status was made from."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=16, description="Finished, Succeeded, Healthy, PolicyResolved and others."
    )
    start_time: Time | None = Field(default=None, description="When the first agent was started.")
    completion_time: Time | None = Field(default=None, description="When the Run finished.")
    ready: Word | None = Field(default=None, description="Agents healthy or complete, of all, for example 1/2.")
    restarts: Count = Field(default=0, description="Charged restarts of all agents.")
    agents: tuple[AgentStatus, ...] = Field(default=(), max_length=MAX_AGENTS, description="How each agent stands.")
    plan: PlanStatus | None = Field(default=None, description="The last plan that acted.")
    policy: PolicyStatus | None = Field(default=None, description="The policy in force.")
    open_escalations: Count = Field(default=0, description="Escalations that wait for a human.")
    usage: Usage | None = Field(default=None, description="What the agents have used.")
    store_id: Word | None = Field(default=None, alias="storeID", description="The store that keeps this Run's state.")
    state_version: Generation | None = Field(
        default=None, description="How often that store had saved this Run's state; a store that says less was rolled back."
    )
    operator_state: OperatorState | None = Field(
        default=None, description="The operator's own record, where it is kept here. Not for users."
    )
