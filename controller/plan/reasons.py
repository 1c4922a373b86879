"""The reasons of decisions: one constant per reason, with the sentence that documents it.

The values appear in conditions, Events, logs, metrics and `status.plan`, so they are API: CamelCase, never renamed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class DocumentedEnum(StrEnum):
    """Constants with a sentence each that explains the constant to users."""

    sentence: str

    def __new__(cls, value: str, sentence: str = "") -> Self:
        """Attach the documenting sentence to the constant."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class Reason(DocumentedEnum):
    """The reason of a decision."""

    # Progress of a Run
    STARTING = "Starting", "An agent's attempt has not started yet and is being started."
    NOT_STARTING = "NotStarting", "A pod cannot start yet; the message says what the kubelet or the scheduler waits for."
    SUPERVISING = "Supervising", "Nothing is due: the agents are at work."
    QUEUED = "Queued", "Another controller's scheduling gate holds the pod back, for example Kueue's."
    RUNS_QUEUED = "MaxActiveRuns", "As many Runs of this policy are active as its maxActiveRuns allows."
    PAUSE_REQUESTED = (
        "PauseRequested",
        "spec.desiredState is Paused: live agents are ended, workspaces are kept.",
    )
    RESUME_REQUESTED = "ResumeRequested", "spec.desiredState is Running again: unfinished agents get new attempts."
    HALTED = "Halted", "A Halt of the namespace or the ClusterHalt is in force: live agents are ended, workspaces are kept."
    HALT_LIFTED = "HaltLifted", "The halt is lifted: unfinished agents get new, uncharged attempts, some of them each second."
    STOP_REQUESTED = "StopRequested", "spec.desiredState is Stopped: live agents are ended permanently."
    ALL_AGENTS_COMPLETE = "AllAgentsComplete", "Every required agent has completed."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "The Run was active for longer than spec.activeDeadlineSeconds."
    TOKEN_BUDGET_EXCEEDED = "TokenBudgetExceeded", "The agents have used more tokens than spec.tokenBudget."
    AGENT_FAILED = "AgentFailed", "A required agent ended without completing."
    RESTART_REQUESTED = "RestartRequested", "spec.restartedAt asks for a new attempt of the agent."
    RETRY_ORDERED = "RetryOrdered", "A human answered an escalation with Retry: one attempt that is not charged."
    WAIT_ORDERED = "WaitOrdered", "A human answered an escalation with Wait: the Run waits longer."
    STOP_ORDERED = "StopOrdered", "A human answered an escalation with Stop: the Run fails."
    VERIFYING = "Verifying", "The agent's work is being verified, in a pod of its own (verify)."
    PUBLISHING = "Publishing", "The agent's work is being published, in a pod of its own (publish)."
    COOLDOWN = "RestartCooldown", "The agent's next restart waits for its cooldown."
    PROVIDER_CLOSED = (
        "ProviderClosed",
        "The agent's provider is closed, because an agent has met its limit: nothing starts until a time.",
    )
    PROVIDER_PROBING = "ProviderProbing", "One agent probes the provider after its closing; the others wait for that."
    PROVIDER_REOPENING = "ProviderReopening", "The provider is open again, and its agents start at reopenPerMinute."
    PROVIDER_BUDGET_SPENT = (
        "ProviderBudgetSpent",
        "A budget of the provider is spent. The agent starts when its window ends, or when a human approves more.",
    )
    PROVIDER_ADMITS = "ProviderAdmits", "An agent's provider holds it back no longer: the Run's deadline goes on."
    PROVIDER_UNREADABLE = (
        "ProviderUnreadable",
        "The operator cannot read the agent's provider, so it does not know its limits: nothing of it starts.",
    )
    PROVIDER_FULL = "ProviderFull", "As many agents of the provider are active as its maxActiveAgents allows."
    PREDECESSOR_ENDING = "PredecessorEnding", "The agent's next attempt waits until the former pod has ended."
    QUESTION_ASKED = "QuestionAsked", "The agent asks a human."
    AWAITING_GUIDANCE = "AwaitingGuidance", "The agent waits for an answer."
    AWAITING_APPROVAL = "AwaitingApproval", "An action of the rules waits for a human's approval."
    CONSULTING = (
        "Consulting",
        "The advisor is asked about an action of the rules, which waits for the answer or for its timeout.",
    )
    DENIED = "Denied", "A human did not approve an action of the rules: it is not done until the evidence changes."
    ANSWER_GIVEN = "AnswerGiven", "A parked agent's question is answered: its next attempt is started, uncharged."
    QUESTION_DISMISSED = (
        "QuestionDismissed",
        "A human dismissed the agent's question by deleting its escalation; the agent is informed.",
    )
    APPROVAL_TIMEOUT = "ApprovalTimeout", "Nobody approved or denied within the policy's approvalTimeoutSeconds."
    QUESTION_TIMEOUT = "QuestionTimeout", "Nobody answered within the policy's questionTimeoutSeconds."
    CAUSE_GONE = "CauseGone", "The cause that blocked the agent is gone."
    TTL_EXPIRED = "TTLExpired", "The Run finished longer ago than its ttlSecondsAfterFinished."
    RUN_DELETED = "RunDeleted", "The Run is deleted or being deleted: its pods are released."
    NAMESPACE_TERMINATING = "NamespaceTerminating", "The namespace is being deleted: its pods are released."

    # Obstacles of a Run
    UNREADABLE = (
        "Unreadable",
        "The operator cannot read the Run: it is too large, nested too deeply, or it cannot be processed.",
    )
    SPEC_REFUSED = (
        "SpecRefused",
        "The spec or a pod template contains something that the operator does not allow.",
    )
    DRY_RUN = "DryRun", "The policy sets dryRun: plans are shown and recorded, but not carried out."
    POLICY_NOT_FOUND = "PolicyNotFound", "spec.policyRef names a RunPolicy that does not exist."
    POLICY_REFUSED = "PolicyRefused", "The RunPolicy in force cannot be read."
    STATE_REFUSED = "StateRefused", "The operator's own record of this Run is missing, foreign or unreadable."
    NAME_TAKEN = "NameTaken", "A pod or claim of another owner has the name that the Run needs."
    BEYOND_POLICY = "BeyondPolicy", "The agent asks for more than the policy in force allows."
    NAMESAKE_TERMINATING = "NamesakeTerminating", "A former pod of the same name is still being deleted."
    POD_REFUSED = "PodRefused", "The API server refused to create the pod: admission, quota or validation."
    START_REFUSED = "StartRefused", "The API server refuses the removal of our scheduling gate, so the pod does not start."
    END_REFUSED = "EndRefused", "The API server refuses to end or delete the pod, so its agent may go on working."
    RELEASE_REFUSED = "ReleaseRefused", "The API server refuses the removal of our finalizer, so the pod stays in Terminating."
    ESCALATION_REFUSED = "EscalationRefused", "The API server refuses to create an escalation or to write its phase."
    DELIVERY_REFUSED = "DeliveryRefused", "The API server refuses to write an answer into the agent's report."
    DELETION_REFUSED = "DeletionRefused", "The API server refuses to delete the finished Run, whose time to live is over."
    STATUS_REFUSED = "StatusRefused", "The API server refuses to write the Run's status or state, so no step can be taken."

    BUDGET_SPENT = "RestartBudgetSpent", "The agent ended without completing and no charged restart is left."
    REPEATED_FAILURES = (
        "RepeatedFailures",
        "The agent has failed in the same way as often in a row as the policy's repeatedFailures allows.",
    )
    FREE_RESTARTS_SPENT = "FreeRestartsSpent", "The agent was disrupted too often for another restart without charge."
    OUTCOME_ESCALATED = "OutcomeEscalated", "The attempt ended in a way that a restart would not fix."
    PENDING_STALLED = "PendingStalled", "The pod has not started for longer than the policy's health.pendingStalledSeconds."
    UNREACHABLE = "Unreachable", "The pod's node is lost: the agent may still run there, so no second pod is started."
    TERMINATION_STALLED = (
        "TerminationStalled",
        "The pod is being deleted and has not ended long after its grace period: the agent may still run there.",
    )
    UNREADY = "Unready", "The agent's readiness probe has failed for longer than the policy's confirmations."
    ACTIVITY_STALLED = "ActivityStalled", "The agent runs and does nothing for longer than health.activityStalledSeconds."
    PROGRESS_STALLED = "ProgressStalled", "The agent is active without progress for longer than health.progressStalledSeconds."
    STALE = "StaleRun", "The Run has made no progress for longer than the policy's staleRunAgeSeconds."
    LINGERING = "Lingering", "The agent has reported its result and neither works nor exits."
    REPORTER_SILENT = (
        "ReporterSilent",
        "The reporter in the pod sends no reports: the agent is neither restarted nor judged for that.",
    )
    BLOCKED_TIMEOUT = "BlockedTimeout", "Nobody helped within the policy's blockedTimeoutSeconds."

    ESCALATED = "Escalated", "A human is asked."
    INBOX_LIMITED = "InboxLimited", "The Run has as many escalations as are allowed at once, or within an hour: the rest waits."
    ANSWERED = "Answered", "A human has answered; the decision is being carried out."
    SUPERSEDED = "Superseded", "The Run continued without an answer."

    VERIFICATION_REPEATED = (
        "VerificationRepeated",
        "The verification has failed in the same way for two attempts in a row, so another attempt would hardly help.",
    )
    VERIFICATION_UNAVAILABLE = (
        "VerificationUnavailable",
        "The verification could not be carried out, and another try would hardly help; the agent's work is not judged.",
    )
    PUBLISH_UNAVAILABLE = (
        "PublishUnavailable",
        "The work could not be published, although it was tried several times: its server or the cluster was not available.",
    )
    PUBLISH_REFUSED = (
        "PublishRefused",
        "The work was not pushed, and trying again would not help: a credential, a protected branch, a changed branch or tree.",
    )
    PUBLISH_COMMAND_FAILED = "PublishCommandFailed", "The work was pushed, and the command after it has failed (publish.command)."

    # Ends of an attempt
    VERIFICATION_FAILED = (
        "VerificationFailed",
        "The agent's work is done by its own account, and the command that verifies it has failed (verify).",
    )
    RESULT_REPORTED = "ResultReported", "The agent reported that its work is done."
    FAILURE_REPORTED = "FailureReported", "The agent reported that it has failed."
    RESULT_MISSING = "ResultMissing", "The agent exited with code 0 without the result that the policy requires (requireResult)."
    PARKED = "Parked", "The agent ended its pod to wait for an answer."
    PARKED_WITHOUT_QUESTION = (
        "ParkedWithoutQuestion",
        "The agent parked although no question waits for an answer: it asked none, or they were answered or dismissed before.",
    )
    EXITED_ZERO = "NoResultReported", "The agent exited with code 0; it reported no result of its own."
    EXITED_NONZERO = "NonZeroExit", "The agent exited with a code other than 0."
    OUT_OF_MEMORY = "OOMKilled", "The agent was killed for using more memory than its limit."
    TEMPORARY = "TemporaryFailure", "The agent exited with 75: a temporary failure, which is not charged."
    PROVIDER_LIMITED = (
        "ProviderLimited",
        "The agent exited with 75 at a limit of its provider: its next attempt is not charged, and waits for the provider.",
    )
    NO_PERMISSION = "NoPermission", "The agent exited with 77: it lacks a permission or a credential."
    BAD_CONFIGURATION = "BadConfiguration", "The agent exited with 78: its configuration is wrong."
    STATUS_UNKNOWN = "ContainerStatusUnknown", "The kubelet does not know how the container ended."
    START_ERROR = "StartError", "The container could not be started from its image and command."
    EVICTED = "Evicted", "The kubelet evicted the pod, for example for its use of ephemeral storage."
    INIT_CONTAINER_FAILED = (
        "InitContainerFailed",
        "An init container failed, so the agent never ran; the exit code is the init container's.",
    )
    SOURCE_UNAVAILABLE = (
        "SourceUnavailable",
        "The repository's server was not reached, so the agent never ran; the clone is tried again without a charge.",
    )
    SOURCE_REFUSED = (
        "SourceRefused",
        "The repository was not cloned, and trying again would not help: a credential, a host key, a revision or a URL is wrong.",
    )
    POD_REJECTED = "PodRejected", "The kubelet rejected the pod, so the agent never ran; its own reason is in kubeletReason."
    POD_DEADLINE = (
        "PodDeadlineExceeded",
        "The pod's own activeDeadlineSeconds ended it; admission or another client has set that, not the operator.",
    )
    POD_FAILED = "PodFailed", "The pod has failed, and its status does not say how its agent ended."
    AGENT_MISSING = (
        "AgentContainerMissing",
        "The pod has no container of the agent's name: admission has renamed or removed it.",
    )
    DISRUPTED = "Disrupted", "The pod was ended by a disruption: a drain, a preemption or a lost node."
    INTERRUPTED = "Interrupted", "The attempt was ended because the Run was paused or stopped."
    DELETED = "PodDeleted", "The pod was deleted before the agent had finished."
    VANISHED = "PodVanished", "The pod is gone, and it is unknown how its agent ended."

    # The rest of a pod whose agent has ended
    AGENT_ENDED = (
        "AgentEnded",
        "The agent has ended; other containers of its pod run on, so the pod is ended after its grace period.",
    )

    # The rest of a task's pod
    TASK_ENDED = "TaskEnded", "The container of a task has ended; other containers of its pod run on, so the pod is ended."
    TASK_TIMED_OUT = "TaskTimedOut", "A task took longer than its timeoutSeconds, so its pod is ended."
    TASK_NOT_DUE = "TaskNotDue", "By the policy in force the attempt is not complete, so the pod of its task is ended."

    # Release of pods
    OUTCOME_RECORDED = "OutcomeRecorded", "The attempt's outcome is recorded, so its deleted pod is released."
    STRAY = "Stray", "A gated pod that belongs to no attempt, left by a crash or a former leader."
    PROLONGED = (
        "DeletionProlonged",
        "The pod was deleted with more time than its own grace period: it is deleted again with that period.",
    )
    DEAF = "IgnoresDeadline", "The pod did not end in its grace period: it is deleted."
