"""Why a decision was taken: one constant a reason, with the sentence that documents it.

The values appear in conditions, Events, logs, metrics and `status.plan`, so they are API: CamelCase, never renamed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A reason constant; `sentence` says what it means to a user."""

    sentence: str

    def __new__(cls, value: str, sentence: str = "") -> Self:
        """Attach the documenting sentence to the constant."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    # A Run's way
    STARTING = "Starting", "An agent's attempt has not started yet and is being started."
    NOT_STARTING = "NotStarting", "A pod cannot start yet; the message says what the kubelet or the scheduler waits for."
    SUPERVISING = "Supervising", "Nothing is due: the agents are at work."
    QUEUED = "Queued", "Another controller's scheduling gate holds the pod back, for example Kueue's."
    PAUSE_REQUESTED = (
        "PauseRequested",
        "spec.desiredState is Paused: live agents are ended, workspaces are kept.",
    )
    RESUME_REQUESTED = "ResumeRequested", "spec.desiredState is Running again: unfinished agents start anew."
    STOP_REQUESTED = "StopRequested", "spec.desiredState is Stopped: live agents are ended, for good."
    ALL_AGENTS_COMPLETE = "AllAgentsComplete", "Every required agent has completed."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "The Run was active for longer than spec.activeDeadlineSeconds."
    AGENT_FAILED = "AgentFailed", "A required agent ended without completing."
    TTL_EXPIRED = "TTLExpired", "The Run finished longer ago than its ttlSecondsAfterFinished."
    RUN_DELETED = "RunDeleted", "The Run is gone or being deleted: its pods are let go."
    NAMESPACE_TERMINATING = "NamespaceTerminating", "The namespace is being deleted: its pods are let go."

    # What holds a Run back
    SPEC_REFUSED = (
        "SpecRefused",
        "The spec or a pod template holds something that the operator does not allow.",
    )
    POLICY_NOT_FOUND = "PolicyNotFound", "spec.policyRef names a RunPolicy that does not exist."
    POLICY_REFUSED = "PolicyRefused", "The RunPolicy in force cannot be read."
    STATE_REFUSED = "StateRefused", "The operator's own record of this Run is missing, foreign or unreadable."
    NAME_TAKEN = "NameTaken", "A pod or claim that belongs to somebody else has the name that is needed."
    NAMESAKE_TERMINATING = "NamesakeTerminating", "A former pod of the same name is still going away."
    POD_REFUSED = "PodRefused", "The API server refused to create the pod: admission, quota or validation."

    # How an attempt ended
    EXITED_ZERO = "NoResultReported", "The agent exited with code 0; it reported no result of its own."
    EXITED_NONZERO = "NonZeroExit", "The agent exited with a code other than 0."
    OUT_OF_MEMORY = "OOMKilled", "The agent was killed for using more memory than its limit."
    START_ERROR = "StartError", "The container could not be started from its image and command."
    EVICTED = "Evicted", "The kubelet evicted the pod, for example for its use of ephemeral storage."
    DISRUPTED = "Disrupted", "The pod was ended by a disruption: a drain, a preemption or a lost node."
    INTERRUPTED = "Interrupted", "The attempt was ended because the Run was paused or stopped."
    DELETED = "PodDeleted", "The pod was deleted before the agent had finished."
    VANISHED = "PodVanished", "The pod is gone and nobody saw how its agent ended."

    # What is being done to let go of pods
    OUTCOME_RECORDED = "OutcomeRecorded", "The attempt's outcome is on record, so its deleted pod may go."
    STRAY = "Stray", "A gated pod that is no attempt's pod, left by a crash or a former leader."
    DEAF = "IgnoresDeadline", "The pod did not end in its grace period: it is deleted."
