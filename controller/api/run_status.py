"""The status of a `Run`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from controller.api.advice import AdviceState
from controller.api.base import AgentName, ApiEnum, ApiModel, Count, FilledText, Generation, Name, Text, Time, Word
from controller.api.operator_state import OutcomeResult, ResultStatus, Usage
from controller.api.phases import Health, Phase
from controller.api.policy import NetworkMode
from controller.api.publishing import PublishedStatus
from controller.api.run import MAX_AGENTS
from controller.api.source import SourceStatus
from controller.api.verification import VerificationStatus


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
    "undetected. Advised: the last consultation of the advisor; with NoAdvisor or Off the rules decide alone. Verified: the work "
    "of each agent with verify has passed its verification; a Run without verify has no such condition. "
    "ProvidersFound: False while an agent names a Provider that does not exist, which limits nothing."
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


class AgentStatus(ApiModel):
    """The state of one agent."""

    name: AgentName = Field(description="The agent.")
    attempt: Count = Field(default=0, description="Its current attempt, from 0.")
    pod_name: Name | None = Field(default=None, description="The pod of that attempt.")
    health: Health = Field(description="The agent's health.")
    reason: Word | None = Field(default=None, description="The reason, as one CamelCase word.")
    message: Text | None = Field(default=None, description="The message of the kubelet or scheduler.")
    restarts: Count = Field(default=0, description="Charged restarts.")
    repeated_failures: Count | None = Field(
        default=None,
        description="How often its last failure has occurred in a row, from 2, if the policy counts (repeatedFailures).",
    )
    cooldown_until: Time | None = Field(default=None, description="End of the cooldown: no restart before this time.")
    outcome: OutcomeResult | None = Field(default=None, description="The outcome of its attempt.")
    usage: Usage | None = Field(default=None, description="Usage of its attempts that have ended, if it names a provider.")
    result: ResultStatus | None = Field(default=None, description="The result that it reported at its end.")
    advice: AdviceState | None = Field(default=None, description="The latest consultation about it.")
    source: SourceStatus | None = Field(default=None, description="The clone in its workspace.")
    verification: VerificationStatus | None = Field(default=None, description="The verification of its work.")
    published: PublishedStatus | None = Field(default=None, description="What was published of its work.")


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


class RequesterStatus(ApiModel):
    """The user who asked for the Run."""

    name: FilledText = Field(description="The user, as spec.requestedBy names them.")
    checked: bool = Field(
        description="Whether the operator was started with --admission-policies: the API server then checked the name against the"
        " user who created the Run. Otherwise it is only a claim."
    )


class RunStatus(ApiModel):
    """The operator's observations and actions."""

    phase: Phase | None = Field(default=None, description="The phase of the Run.")
    reason: Word | None = Field(default=None, description="The reason of the phase, as one CamelCase word.")
    message: Text | None = Field(default=None, description="The reason of the phase, for people.")
    requested_by: RequesterStatus | None = Field(default=None, description="The user who asked for the Run, if it names one.")
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
