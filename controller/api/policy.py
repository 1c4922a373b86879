"""The `RunPolicy`: the thresholds, budgets and responders that Runs are supervised by.

Its defaults are the contract of the operator that runwatchman descends from (the seed).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from controller.api.base import (
    MAX_COUNT,
    MAX_TEXT,
    ApiEnum,
    ApiModel,
    FilledText,
    FilledWord,
    Name,
    Seconds,
    SecondsOrOff,
)
from controller.api.ca_bundle import CaBundle
from controller.api.cluster_defaults import Toleration, Variable
from controller.api.container_fields import Resources
from controller.api.llm_policy import LLM
from controller.api.notification import Notification
from controller.api.pod_metadata import Key, LabelValue, PodMetadata
from controller.api.pod_policy import ImagePullSecret, PodSecurity, ReporterResources
from controller.api.quantity import Quantity
from controller.api.shapes import MAX_ITEMS
from controller.strict.constraints import Explained, Whole, between_fields

DEFAULT_POLICY_NAME = "default"
"""The RunPolicy for those Runs of a namespace that name none."""


Words = Annotated[
    str,
    StringConstraints(pattern=r"^$|\S", max_length=MAX_TEXT),
    Explained(f"must have at most {MAX_TEXT} characters, not only spaces"),
]


Audience = Annotated[
    str,
    StringConstraints(pattern=r"^[!-~]+$", max_length=253),
    Explained("must be an audience of 1 to 253 visible ASCII characters, such as sts.amazonaws.com"),
]


class SilentAgents(ApiEnum):
    """The treatment of agents that never reported progress."""

    IGNORE = "Ignore"
    ESCALATE = "Escalate"


class OutcomeAction(ApiEnum):
    """The action of an outcome rule."""

    COMPLETE = "Complete"
    RETRY = "Retry"
    RETRY_FREE = "RetryFree"
    FAIL = "Fail"
    ESCALATE = "Escalate"


class OnBudgetSpent(ApiEnum):
    """The effect of a spent restart budget."""

    ESCALATE = "Escalate"
    FAIL = "Fail"


class OnRepeatedFailures(ApiEnum):
    """The effect of the same failure several times in a row."""

    ESCALATE = "Escalate"
    FAIL = "Fail"


class OnQuestionTimeout(ApiEnum):
    """The effect of a question that is not answered in time."""

    WAIT = "Wait"
    STOP = "Stop"


class ReporterMode(ApiEnum):
    """The mode of the reporter sidecar."""

    FULL = "Full"
    NO_SHARED_PID = "NoSharedPID"
    OFF = "Off"


class HostUsers(ApiEnum):
    """The user namespace of agents' processes: their node's or one of the pod's own."""

    HOST = "Host"
    PRIVATE = "Private"


class NetworkMode(ApiEnum):
    """The owner of agents' network rules: the operator or the namespace."""

    MANAGED = "Managed"
    UNMANAGED = "Unmanaged"


class HealthThresholds(ApiModel):
    """The thresholds for a stalled agent. 0 disables a threshold."""

    activity_stalled_seconds: SecondsOrOff = Field(
        default=1800, description="Seconds without any activity; 0 (off) to 31536000, usually 300 to 7200."
    )
    progress_stalled_seconds: SecondsOrOff = Field(
        default=1800, description="Seconds active without progress; 0 (off) to 31536000, usually 600 to 14400."
    )
    pending_stalled_seconds: SecondsOrOff = Field(
        default=600, description="Seconds that a pod may take to start; 0 (off) to 31536000, usually 120 to 3600."
    )
    silent_agents: SilentAgents = Field(
        default=SilentAgents.IGNORE, description="The treatment of agents that never reported progress."
    )


class OutcomeRule(ApiModel):
    """The meaning of an attempt's end. A rule matches if all matchers that it sets match."""

    exit_codes: tuple[Annotated[int, Whole(0, 255)], ...] = Field(default=(), max_length=64, description="Exit codes, 0 to 255.")
    reasons: tuple[FilledWord, ...] = Field(
        default=(), max_length=32, description="Reasons of runwatchman or of the kubelet, for example OOMKilled."
    )
    message_contains: Words = Field(default="", description="Text that the termination message contains.")
    action: OutcomeAction = Field(description="Complete, Retry (charged), RetryFree, Fail or Escalate.")

    @model_validator(mode="after")
    def _matches_something(self) -> Self:
        if not (self.exit_codes or self.reasons or self.message_contains):
            raise between_fields(
                "set at least one of exitCodes, reasons, messageContains", "exitCodes", "reasons", "messageContains"
            )
        return self


class RepeatedFailures(ApiModel):
    """The limit for the same failure of an agent in a row: the same reason, exit code and last words, without numbers and times."""

    count: Annotated[int, Whole(2, 1000)] = Field(
        default=2, description="Equal failures in a row that would cost a charged restart; 2 to 1000, usually 2 or 3."
    )
    action: OnRepeatedFailures = Field(
        default=OnRepeatedFailures.ESCALATE,
        description="Escalate asks a human instead of another charged restart, Fail fails the Run.",
    )


class Responders(ApiModel):
    """The users who may answer escalations; empty means everybody whom RBAC permits."""

    users: tuple[FilledText, ...] = Field(default=(), max_length=64, description="User names.")
    groups: tuple[FilledText, ...] = Field(default=(), max_length=64, description="Group names.")
    bridges: tuple[FilledText, ...] = Field(default=(), max_length=16, description="Users that may answer on behalf of others.")


class RunPolicySpec(ApiModel):
    """The thresholds, budgets and responders that Runs are supervised by."""

    unhealthy_confirmations: Annotated[int, Whole(1, 100)] = Field(
        default=2,
        description="Observations that confirm a suspicion; 1 to 100, usually 2 to 5.",
    )
    confirmation_interval_seconds: Seconds = Field(
        default=15,
        description="Seconds between two observations of a suspicion; 1 to 31536000, usually 5 to 120.",
    )
    restart_budget: Annotated[int, Whole(0, 1000)] = Field(
        default=3,
        description="Charged restarts that a Run may have; 0 (never restart) to 1000, usually 1 to 10.",
    )
    restart_budget_per_agent: Annotated[int, Whole(0, 1000)] | None = Field(
        default=None,
        description="Charged restarts that one agent may have; 0 to 1000; only the Run's budget applies when not set.",
    )
    restart_budget_reset_seconds: SecondsOrOff = Field(
        default=21600, description="Seconds of health after which an agent's charged restarts are refunded; 0 (never) to 31536000."
    )
    restart_cooldown_seconds: SecondsOrOff = Field(
        default=60,
        description="Seconds between a restart and the next; 0 (none) to 31536000, doubles each time.",
    )
    restart_cooldown_max_seconds: Seconds = Field(
        default=3600, description="Maximum seconds of the doubled cooldown; 1 to 31536000."
    )
    stale_run_age_seconds: Seconds = Field(
        default=3600,
        description="Seconds without progress after which a Run is stopped; 1 to 31536000, usually over 1800.",
    )
    health: HealthThresholds = Field(default=HealthThresholds(), description="The thresholds for a stalled agent.")
    outcomes: tuple[OutcomeRule, ...] = Field(
        default=(),
        max_length=64,
        description="The meaning of an attempt's end; the first match wins, before the defaults.",
    )
    require_result: bool = Field(default=False, description="Whether an agent must report a result to complete.")
    on_budget_spent: OnBudgetSpent = Field(default=OnBudgetSpent.ESCALATE, description="Escalate asks a human, Fail fails the Run.")
    repeated_failures: RepeatedFailures | None = Field(
        default=None,
        description="The limit for the same failure in a row; without one, equal failures are restarted like any others.",
    )
    blocked_timeout_seconds: Seconds = Field(
        default=86400, description="Seconds that a Run may wait for a human before it fails; 1 to 31536000."
    )
    question_timeout_seconds: Seconds | None = Field(
        default=None, description="Seconds that a question stays open; 1 to 31536000; without limit when not set."
    )
    on_question_timeout: OnQuestionTimeout = Field(
        default=OnQuestionTimeout.STOP,
        description="If a question is not answered in time, Stop fails the Run and Wait keeps waiting.",
    )
    approval_timeout_seconds: Seconds = Field(
        default=900,
        description="Seconds to wait for an approval; 1 to 31536000, usually 300 to 86400.",
    )
    llm: LLM = Field(default=LLM(), description="The advisor.")
    reporter: ReporterMode = Field(default=ReporterMode.FULL, description="The mode of the reporter sidecar.")
    host_users: HostUsers = Field(
        default=HostUsers.HOST,
        description="Private gives each pod its own user namespace (hostUsers: false), which the node must support.",
    )
    responders: Responders = Field(default=Responders(), description="The users who may answer escalations.")
    ttl_seconds_after_finished: SecondsOrOff | None = Field(
        default=None,
        description="Seconds after its end at which a Run is deleted, unless the Run sets its own; 0 to 31536000.",
    )
    max_active_runs: Annotated[int, Whole(1, MAX_COUNT)] | None = Field(
        default=None,
        description="Runs of this policy that may be active at once; 1 to 1000000; no limit when not set.",
    )
    network_policy: NetworkMode | None = Field(
        default=None,
        description=(
            "Managed: the operator maintains a NetworkPolicy for the agents; Unmanaged: only the namespace's own apply. If not "
            "set: Managed if the operator is allowed to (--agents-network), else Unmanaged."
        ),
    )
    runtime_class_name: Name | None = Field(
        default=None,
        description="RuntimeClass of the agents' pods; a template with another one is refused.",
    )
    resources: Resources | None = Field(default=None, description="Requests and limits of each container that sets neither.")
    reporter_resources: ReporterResources | None = Field(
        default=None,
        description="Requests and limits of the reporter, as a whole; if not set, those of the operator (--reporter-resources).",
    )
    pod_security: PodSecurity | None = Field(
        default=None,
        description="Users and groups of the agents' pods; fields that are not set are the operator's (--agents-pod-security).",
    )
    pod_metadata: PodMetadata | None = Field(
        default=None, description="Labels and annotations of the agents' pods, such as a namespace's rules demand."
    )
    image_pull_secrets: tuple[ImagePullSecret, ...] | None = Field(
        default=None,
        max_length=16,
        description=(
            "Secrets to pull images with, besides those of a template and of the namespace's default ServiceAccount; if not set, "
            "those of the operator (--agents-image-pull-secrets)."
        ),
    )
    env: tuple[Variable, ...] | None = Field(
        default=None,
        max_length=64,
        description="Variables, for example a proxy's, of each container of a Run that does not set them (--agents-pods).",
    )
    ca_bundle: CaBundle | None = Field(
        default=None,
        description="CA certificates for each container of a Run, in /runwatchman/ca/ca.crt, where SSL_CERT_FILE and others point.",
    )
    node_selector: dict[Key, LabelValue] | None = Field(
        default=None, max_length=MAX_ITEMS, description="Labels of the nodes for agents' pods; a template's come first."
    )
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None, max_length=MAX_ITEMS, description="Tolerations of agents' pods, besides a template's."
    )
    token_audiences: tuple[Audience, ...] | None = Field(
        default=None,
        max_length=8,
        description="Audiences of tokens that a template may project, such as sts.amazonaws.com; none if not set.",
    )
    workspace_max_size: Quantity = Field(
        default="100Gi", description="Largest size that an agent's workspace may request, as a quantity such as 100Gi."
    )
    dry_run: bool = Field(default=False, description="Whether plans are only shown and recorded, not carried out.")
    notifications: tuple[Notification, ...] = Field(default=(), max_length=16, description="Targets of notifications.")

    @model_validator(mode="after")
    def _cooldown_fits(self) -> Self:
        if self.restart_cooldown_seconds > self.restart_cooldown_max_seconds:
            raise between_fields(
                f"may not be larger than restartCooldownMaxSeconds, which is {self.restart_cooldown_max_seconds}",
                "restartCooldownMaxSeconds",
                at="restartCooldownSeconds",
            )
        return self


class RunPolicy(ApiModel):
    """The thresholds, budgets and responders that Runs are supervised by."""

    spec: RunPolicySpec = Field(description="Every field has a default; an empty spec is a valid policy.")
