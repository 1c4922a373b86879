"""The `RunPolicy`: by which thresholds, budgets and people Runs are supervised. Its defaults are the seed's contract."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import Field, model_validator

from controller.api.base import (
    ApiEnum,
    ApiModel,
    Count,
    Name,
    Quantity,
    Seconds,
    SecondsOrOff,
    Text,
    Word,
    dump,
)
from controller.api.run import Resources

DEFAULT_POLICY_NAME = "default"
"""The RunPolicy that a namespace's Runs go by when they name none."""


class LLMMode(ApiEnum):
    """What the advisor may do."""

    OFF = "Off"
    ASSIST = "Assist"
    AUTO = "Auto"


class OnLLMFailure(ApiEnum):
    """What happens when the advisor cannot be had."""

    RULES = "Rules"
    ESCALATE = "Escalate"


class Approvable(ApiEnum):
    """What may need a human's approval in mode Assist."""

    RESTART = "Restart"
    STOP_STALE = "StopStale"


class OnTimeout(ApiEnum):
    """What happens when an approval is not given in time."""

    PROCEED = "Proceed"
    HOLD = "Hold"


class SilentAgents(ApiEnum):
    """What happens to agents that never reported progress."""

    IGNORE = "Ignore"
    ESCALATE = "Escalate"


class OutcomeAction(ApiEnum):
    """What an outcome rule makes of an attempt's end."""

    COMPLETE = "Complete"
    RETRY = "Retry"
    RETRY_FREE = "RetryFree"
    FAIL = "Fail"
    ESCALATE = "Escalate"


class OnBudgetSpent(ApiEnum):
    """What happens when the restart budget is spent."""

    ESCALATE = "Escalate"
    FAIL = "Fail"


class OnQuestionTimeout(ApiEnum):
    """What happens when a question is not answered in time."""

    WAIT = "Wait"
    STOP = "Stop"


class ReporterMode(ApiEnum):
    """How the reporter sidecar runs."""

    FULL = "Full"
    NO_SHARED_PID = "NoSharedPID"
    OFF = "Off"


class HostUsers(ApiEnum):
    """Whose users agents' processes are on their node."""

    HOST = "Host"
    PRIVATE = "Private"


class NetworkMode(ApiEnum):
    """Who says what agents reach."""

    MANAGED = "Managed"
    UNMANAGED = "Unmanaged"


class ApprovalTimeouts(ApiModel):
    """What happens, per action, when an approval is not given in time."""

    restart: OnTimeout = Field(default=OnTimeout.PROCEED, description="For restarts.")
    stop_stale: OnTimeout = Field(default=OnTimeout.HOLD, description="For stopping stale Runs.")


class LLM(ApiModel):
    """The advisor: it may narrow or explain what the rules want, never widen it."""

    mode: LLMMode | None = Field(
        default=None,
        description="Off, Assist (a human decides on its advice) or Auto; the operator's policy file's when not set, else Assist.",
    )
    command: Word = Field(default="codex", description="Name of a command that the installer registered; empty only with Off.")
    model: Word = Field(default="", description="Model that the command is asked to use; its own default when empty.")
    timeout_seconds: Seconds = Field(
        default=30, description="Seconds that one consultation may take; 1 to 31536000, sensibly 10 to 300."
    )
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=400, description="Tokens that one answer may have; 1 to 1000000, sensibly 200 to 2000."
    )
    require_approval: tuple[Approvable, ...] = Field(
        default=(Approvable.RESTART, Approvable.STOP_STALE),
        max_length=2,
        description="What needs a human's approval in mode Assist; both when not set.",
    )
    on_approval_timeout: ApprovalTimeouts = Field(
        default=ApprovalTimeouts(), description="What happens when an approval is not given in time."
    )
    on_failure: OnLLMFailure = Field(
        default=OnLLMFailure.RULES,
        description="Where the advisor gives no answer, Rules goes on without advice and Escalate asks a human.",
    )
    min_confidence_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        default=60,
        description="Percent of confidence below which advice does not count in mode Auto; 0 to 100.",
    )

    @model_validator(mode="after")
    def _has_command(self) -> Self:
        if not self.command and self.mode is not LLMMode.OFF:
            raise ValueError("command may be empty only where mode is Off: name a registered command such as codex")
        return self


class HealthThresholds(ApiModel):
    """When an agent counts as stalled. 0 switches a threshold off."""

    activity_stalled_seconds: SecondsOrOff = Field(
        default=1800, description="Seconds without any activity; 0 switches off, sensibly 300 to 7200."
    )
    progress_stalled_seconds: SecondsOrOff = Field(
        default=1800, description="Seconds active without progress; 0 switches off, sensibly 600 to 14400."
    )
    pending_stalled_seconds: SecondsOrOff = Field(
        default=600, description="Seconds that a pod may take to start; 0 switches off, sensibly 120 to 3600."
    )
    silent_agents: SilentAgents = Field(
        default=SilentAgents.IGNORE, description="What happens to agents that never reported progress."
    )


class OutcomeRule(ApiModel):
    """What an attempt's end means; a rule matches when every matcher that it sets does."""

    exit_codes: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        default=(), max_length=64, description="Exit codes, 0 to 255."
    )
    reasons: tuple[Word, ...] = Field(default=(), max_length=32, description="The kubelet's reasons, for example OOMKilled.")
    message_contains: Text = Field(default="", description="A part of the termination message.")
    action: OutcomeAction = Field(description="Complete, Retry (charged), RetryFree, Fail or Escalate.")

    @model_validator(mode="after")
    def _matches_something(self) -> Self:
        if not (self.exit_codes or self.reasons or self.message_contains):
            raise ValueError("set at least one of exitCodes, reasons, messageContains")
        return self


class Responders(ApiModel):
    """Who may answer escalations; empty means everybody whom RBAC lets."""

    users: tuple[Text, ...] = Field(default=(), max_length=64, description="User names.")
    groups: tuple[Text, ...] = Field(default=(), max_length=64, description="Group names.")
    bridges: tuple[Text, ...] = Field(default=(), max_length=16, description="Users that may answer on behalf of others.")


class NotificationEvent(ApiEnum):
    """What is notified of."""

    ESCALATION_OPENED = "EscalationOpened"
    RUN_FINISHED = "RunFinished"


class Notification(ApiModel):
    """Where people are told."""

    secret_name: Name = Field(description="Secret in the policy's namespace whose key holds the URL.")
    secret_key: Word = Field(default="url", description="Key in the Secret.")
    events: tuple[NotificationEvent, ...] = Field(
        default=(NotificationEvent.ESCALATION_OPENED, NotificationEvent.RUN_FINISHED),
        max_length=2,
        description="What is told; both when not set.",
    )


class RunPolicySpec(ApiModel):
    """By which thresholds, budgets and people Runs are supervised."""

    unhealthy_confirmations: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2,
        description="Times that a suspicion must be seen before it counts; 1 to 100, sensibly 2 to 5.",
    )
    confirmation_interval_seconds: Seconds = Field(
        default=15,
        description="Seconds between two sightings of a suspicion; 1 to 31536000, sensibly 5 to 120.",
    )
    restart_budget: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=3,
        description="Charged restarts that a Run may have; 0 (never restart) to 1000, sensibly 1 to 10.",
    )
    restart_budget_per_agent: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Charged restarts that one agent may have; 0 to 1000; only the Run's budget when not set.",
    )
    restart_budget_reset_seconds: SecondsOrOff = Field(
        default=21600, description="Seconds of health after which an agent's charges are given back; 0 never."
    )
    restart_cooldown_seconds: SecondsOrOff = Field(
        default=60,
        description="Seconds after a restart before the next; 0 (none) to 31536000, doubles each time.",
    )
    restart_cooldown_max_seconds: Seconds = Field(
        default=3600, description="Seconds that the doubled cooldown may reach; 1 to 31536000."
    )
    stale_run_age_seconds: Seconds = Field(
        default=3600,
        description="Seconds without progress after which a Run is stopped; 1 to 31536000, sensibly over 1800.",
    )
    health: HealthThresholds = Field(default=HealthThresholds(), description="When an agent counts as stalled.")
    outcomes: tuple[OutcomeRule, ...] = Field(
        default=(),
        max_length=64,
        description="What an attempt's end means; the first match wins, before the defaults.",
    )
    require_result: bool = Field(default=False, description="Whether an agent must report a result to complete.")
    on_budget_spent: OnBudgetSpent = Field(default=OnBudgetSpent.ESCALATE, description="Escalate asks a human, Fail fails the Run.")
    blocked_timeout_seconds: Seconds = Field(
        default=86400, description="Seconds that a Run may wait for a human before it fails; 1 to 31536000."
    )
    question_timeout_seconds: Seconds | None = Field(
        default=None, description="Seconds that a question stays open; 1 to 31536000; for ever when not set."
    )
    on_question_timeout: OnQuestionTimeout = Field(
        default=OnQuestionTimeout.STOP, description="Stop fails the Run when a question is not answered in time, Wait waits on."
    )
    approval_timeout_seconds: Seconds = Field(
        default=900,
        description="Seconds that an approval is waited for; 1 to 31536000, sensibly 300 to 86400.",
    )
    llm: LLM = Field(default=LLM(), description="The advisor.")
    reporter: ReporterMode = Field(default=ReporterMode.FULL, description="How the reporter sidecar runs.")
    host_users: HostUsers = Field(
        default=HostUsers.HOST,
        description="Private gives each pod a user namespace of its own (hostUsers: false), which its node must support.",
    )
    responders: Responders = Field(default=Responders(), description="Who may answer escalations.")
    ttl_seconds_after_finished: SecondsOrOff | None = Field(
        default=None,
        description="Seconds after its end at which a Run is deleted, unless it says so itself; 0 to 31536000.",
    )
    max_active_runs: Annotated[Count, Field(ge=1)] | None = Field(
        default=None,
        description="Runs of this policy that may be active at once; 1 to 1000000; no limit when not set.",
    )
    network_policy: NetworkMode | None = Field(
        default=None,
        description=(
            "Managed: the operator keeps a NetworkPolicy for the agents; Unmanaged: the namespace's own hold. Managed when not set "
            "and the operator may (--agents-network), else Unmanaged."
        ),
    )
    runtime_class_name: Name | None = Field(
        default=None,
        description="RuntimeClass of the agents' pods; a template that names another is refused.",
    )
    resources: Resources | None = Field(
        default=None, description="Requests and limits of containers that name neither, each container for itself."
    )
    workspace_max_size: Quantity = Field(
        default="100Gi", description="Size that an agent's workspace may ask for, as a quantity such as 100Gi."
    )
    dry_run: bool = Field(default=False, description="Whether plans are only shown and recorded, not carried out.")
    notifications: tuple[Notification, ...] = Field(default=(), max_length=16, description="Where people are told.")

    @model_validator(mode="after")
    def _cooldown_fits(self) -> Self:
        if self.restart_cooldown_seconds > self.restart_cooldown_max_seconds:
            raise ValueError("restartCooldownSeconds may not be larger than restartCooldownMaxSeconds")
        return self


class RunPolicy(ApiModel):
    """By which thresholds, budgets and people Runs are supervised."""

    spec: RunPolicySpec = Field(description="Every field has a default; an empty spec is a valid policy.")


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """The policy in force for a Run: where it came from, its values, and their digest (SHA-256, hex)."""

    name: str
    spec: RunPolicySpec
    digest: str

    @classmethod
    def of(cls, name: str, spec: RunPolicySpec) -> ResolvedPolicy:
        """Return the policy with its digest."""
        text = json.dumps(dump(spec), sort_keys=True, separators=(",", ":"))
        return cls(name, spec, hashlib.sha256(text.encode()).hexdigest())

    def with_network(self, unless_set: NetworkMode) -> ResolvedPolicy:
        """Return the policy with the network's mode that is in force: its own, else the operator's."""
        if self.spec.network_policy is not None:
            return self
        return replace(self, spec=self.spec.model_copy(update={"network_policy": unless_set}))
