"""The status of a `Run`, including the operator's own state."""

from __future__ import annotations

from operator import not_
from typing import Annotated, Any

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
"""The newest schema version of the operator's record that this release reads.

A record names the lowest version that its reader must know, so a new field that old readers may ignore does not raise it. A record
that needs a newer version is refused: no meaning is guessed.
"""


MAX_ASKED = 16
"""Questions of one agent that are remembered as asked. The oldest are dropped first."""

MAX_ADVICE = 16
"""Consultations about one agent that are remembered. The oldest are dropped first."""

MAX_EXACT = 2**53 - 1
"""The largest integer that the bounds of a JSON schema, which are floats, represent exactly."""

Generation = Annotated[int, Field(ge=0, le=MAX_EXACT)]


class Phase(ApiEnum):
    """The phases of a Run."""

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
    """The health states of an agent."""

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


WRITES_ACCEPTED = "WritesAccepted"
"""The condition that is False while the API server refuses a write for the Run."""


class ConditionStatus(ApiEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


CONDITION_TYPES = (
    "Finished: the phase is terminal. Succeeded: the Run has completed. Healthy: each agent is healthy or complete. "
    "PolicyResolved: a policy is in force. Escalated: a human is asked. WritesAccepted: the API server accepts the operator's "
    "writes. Enforced: False in a dry run, whose plan is not carried out. ProgressReported: the agents' reporters report "
    "progress; with NoReporter or ReporterOff agents are judged by their pods alone, can neither ask nor report, and may hang "
    "undetected. Advised: the last consultation of the advisor; with NoAdvisor or Off the rules decide alone."
)
"""The meaning of each condition, for `kubectl explain`: it is the same for every Run, so no message repeats it."""


class Condition(ApiModel):
    """A metav1.Condition."""

    type: Word = Field(description=CONDITION_TYPES)
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Word = Field(
        description="The reason, as one CamelCase word. `kubectl rw describe` and docs/troubleshooting.md explain each reason."
    )
    message: Text = Field(
        default="", description="Data of this Run that the reason needs: names, numbers, the API server's words. Often empty."
    )
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: Generation | None = Field(
        default=None, description="Written by earlier versions. status.observedGeneration holds for every condition."
    )


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
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = Field(
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
    woken_for: tuple[Name, ...] = Field(
        default=(),
        exclude_if=not_,
        max_length=MAX_ASKED,
        description="Those in asked that were answered or dismissed when the parked agent was last woken; none wakes it again.",
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
        default=SCHEMA_VERSION, description="The lowest schema version that a reader of this record must know."
    )
    run_uid: Word = Field(alias="runUID", description="UID of the Run that this record belongs to.")
    started_at: Time | None = Field(default=None, description="When the first agent was started.")
    paused_at: Time | None = Field(default=None, description="When the current pause began.")
    paused_seconds: SecondsOrOff = Field(default=0, exclude_if=not_, description="Total seconds of earlier pauses.")
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
                f"{version} was written by a newer runwarden, this one reads up to {SCHEMA_VERSION}: upgrade runwarden"
            )
        return version


class AgentStatus(ApiModel):
    """The state of one agent."""

    name: AgentName = Field(description="The agent.")
    attempt: Count = Field(default=0, description="Its current attempt, from 0.")
    pod_name: Name | None = Field(default=None, description="The pod of that attempt.")
    health: Health = Field(description="The agent's health.")
    reason: Word | None = Field(default=None, description="The reason, as one CamelCase word.")
    message: Text | None = Field(default=None, description="The message of the kubelet or scheduler.")
    restarts: Count = Field(default=0, description="Charged restarts.")
    cooldown_until: Time | None = Field(default=None, description="End of the cooldown: no restart before this time.")
    outcome: OutcomeResult | None = Field(default=None, description="The outcome of its attempt.")
    result: ResultStatus | None = Field(default=None, description="The result that it reported at its end.")
    advice: AdviceState | None = Field(default=None, description="The latest consultation about it.")


class PlanAction(ApiModel):
    """One action of the plan."""

    intent: Word = Field(description="The purpose of the action.")
    reason: Word = Field(description="The reason, as one CamelCase word.")
    agent: AgentName | None = Field(default=None, description="The agent concerned.")


class PlanStatus(ApiModel):
    """The last plan that had actions."""

    digest: Word = Field(description="SHA-256 of the plan, hex. The same situation gives the same digest.")
    actions: tuple[PlanAction, ...] = Field(default=(), max_length=128, description="The plan's actions.")


class PolicyStatus(ApiModel):
    """The policy in force."""

    name: Name = Field(description="The RunPolicy, or the operator's policy file or defaults.")
    digest: Word = Field(description="SHA-256 of the policy's values, hex.")
    network_policy: NetworkMode | None = Field(
        default=None, description="Managed if the operator maintains a NetworkPolicy for the Run's agents, else Unmanaged."
    )


class RunStatus(ApiModel):
    """The operator's observations and actions."""

    phase: Phase | None = Field(default=None, description="The phase of the Run.")
    reason: Word | None = Field(default=None, description="The reason of the phase, as one CamelCase word.")
    message: Text | None = Field(default=None, description="The reason of the phase, for people.")
    observed_generation: Generation | None = Field(
        default=None, description="The metadata.generation that this status is based on."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=16, description="Finished, Succeeded, Healthy, PolicyResolved and others."
    )
    start_time: Time | None = Field(default=None, description="When the first agent was started.")
    completion_time: Time | None = Field(default=None, description="When the Run finished.")
    ready: Word | None = Field(default=None, description="Healthy or complete agents of all agents, for example 1/2.")
    restarts: Count = Field(default=0, description="Charged restarts of all agents.")
    agents: tuple[AgentStatus, ...] = Field(default=(), max_length=MAX_AGENTS, description="The state of each agent.")
    plan: PlanStatus | None = Field(default=None, description="The last plan that had actions.")
    policy: PolicyStatus | None = Field(default=None, description="The policy in force.")
    open_escalations: Count = Field(default=0, description="Escalations that wait for a human.")
    usage: Usage | None = Field(default=None, description="Usage of the agents.")
    store_id: Word | None = Field(default=None, alias="storeID", description="The store that keeps this Run's state.")
    state_version: Generation | None = Field(
        default=None, description="Number of saves of this Run's state in that store; a store with a lower number was rolled back."
    )
    operator_state: dict[str, Any] | None = Field(
        default=None,
        description="The operator's own record, if the status stores it: attempts, charges, outcomes and decisions. It is not for "
        "users: only the operator writes it, and it checks all of it when it reads. A Run whose record is damaged is Blocked "
        "(StateRefused).",
    )
