"""The `Provider`: the account or model endpoint that agents draw on and can exhaust. The operator writes its status."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.api.base import MAX_COUNT, AgentName, ApiEnum, ApiModel, Count, Generation, Name, Seconds, Text, Time, Word
from controller.api.budget import MAX_BUDGETS, Budget, CountedUse, ProviderNotification, WindowStatus
from controller.api.run_status import Condition
from controller.strict.constraints import Whole

MAX_REOPEN_PER_MINUTE = 6000
"""The fastest reopening: a hundred starts a second."""


class Probe(ApiModel):
    """How long the provider stays closed, and when a probe opens it."""

    interval_seconds: Seconds = Field(
        default=60,
        description="Seconds that the first closing lasts if the agent names no reset time; each further closing in a row lasts"
        " twice as long; 1 to 31536000.",
    )
    max_interval_seconds: Seconds = Field(
        default=21600,
        description="Most seconds that a closing lasts, whatever reset time an agent names; 1 to 31536000, at least"
        " intervalSeconds.",
    )
    timeout_seconds: Seconds = Field(
        default=300, description="Seconds that a probe works without a limit until the provider opens; 1 to 31536000."
    )


class ProviderSpec(ApiModel):
    """The limits of a provider."""

    max_active_agents: Annotated[int, Whole(1, MAX_COUNT)] | None = Field(
        default=None, description="Agents of this provider that are active at once; 1 to 1000000; no limit when not set."
    )
    reopen_per_minute: Annotated[int, Whole(1, MAX_REOPEN_PER_MINUTE)] = Field(
        default=10,
        description="Agents that start each minute after the provider was closed, until none waits any more; 1 to 6000.",
    )
    probe: Probe = Field(default=Probe(), description="How long the provider stays closed, and when a probe opens it.")
    budgets: tuple[Budget, ...] = Field(
        default=(), max_length=MAX_BUDGETS, description="The most that its agents may use in a day, a week or a month."
    )
    notifications: tuple[ProviderNotification, ...] = Field(
        default=(), max_length=8, description="Where people are notified of a budget that is nearly spent, or spent."
    )


class ProviderState(ApiEnum):
    """The states of a provider."""

    OPEN = "Open"
    CLOSED = "Closed"
    PROBING = "Probing"
    REOPENING = "Reopening"


class ClosedBy(ApiModel):
    """The attempt whose limit closed the provider."""

    run: Name = Field(description="The Run.")
    agent: AgentName = Field(description="The agent.")
    attempt: Count = Field(description="The attempt, from 0.")


class ProbeStatus(ApiModel):
    """The attempt that probes whether the provider works again."""

    run: Name = Field(description="The Run.")
    run_uid: Word = Field(alias="runUID", description="UID of the Run.")
    agent: AgentName = Field(description="The agent.")
    attempt: Count = Field(description="The attempt, from 0.")
    since: Time = Field(description="When it was chosen.")


class ProviderCondition(Condition):
    """A metav1.Condition."""

    type: Word = Field(
        description="Open: True while the agents of the provider may start, within its limits. WithinBudgets: False while a"
        " budget is spent. Ready: False while the operator cannot read the spec; none of its agents starts then."
    )


class ProviderStatus(ApiModel):
    """The state of the provider, as the operator has it."""

    state: ProviderState | None = Field(
        default=None,
        description="Open; Closed until closedUntil; Probing with one agent; Reopening at reopenPerMinute while agents wait.",
    )
    reason: Word | None = Field(default=None, description="The reason of the state: Quota, RateLimit or Outage.")
    message: Text | None = Field(default=None, description="The agent's words about the limit.")
    closed_at: Time | None = Field(default=None, description="When the provider was closed last.")
    closed_until: Time | None = Field(default=None, description="When one agent probes the provider.")
    closings: Count = Field(default=0, description="Closings in a row.")
    closed_by: ClosedBy | None = Field(default=None, description="The attempt whose limit closed the provider.")
    probe: ProbeStatus | None = Field(default=None, description="The attempt that probes the provider.")
    opened_at: Time | None = Field(default=None, description="When the provider was opened last.")
    active_agents: Count | None = Field(default=None, description="Active agents, up to a minute old.")
    waiting_agents: Count | None = Field(default=None, description="Agents that wait for the provider, up to a minute old.")
    windows: tuple[WindowStatus, ...] = Field(default=(), max_length=MAX_BUDGETS, description="The current window of each budget.")
    counted: CountedUse | None = Field(
        default=None, description="The operator's own record of the use that windows contain. It is not for users."
    )
    observed_generation: Generation | None = Field(
        default=None, description="The metadata.generation that this status is based on."
    )
    conditions: tuple[ProviderCondition, ...] = Field(
        default=(), max_length=8, description="Open, Ready, and WithinBudgets if it has budgets."
    )


class Provider(ApiModel):
    """What agents draw on and can exhaust: an account or a model endpoint. Agents name it in spec.agents[].provider of a Run."""

    spec: ProviderSpec = Field(description="The limits of a provider.")
