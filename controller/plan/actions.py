"""The steps of a plan, one class per step.

The plan is computed again after each step from state and cluster, so a crash loses no step. Each class holds the fields of its
step. All have a header: `intent`, the purpose of the step; `step`, its name in plans, logs and the ledger; `reason`; and the agent
and attempt that it concerns. `Creation`, `Transition` and `Effect` define when a step may be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from controller.api.advice import AdviceState
from controller.api.escalation import Decision, EscalationPhase
from controller.api.phases import Phase
from controller.api.tasks import TaskKind
from controller.plan.inquiries import Consultation, Inquiry
from controller.plan.intents import Charge, Intent
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAction:
    """The header of an action on the Run itself, without an agent."""

    agent: ClassVar[str] = ""
    attempt: ClassVar[int] = 0
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAction:
    """The header of an action on an agent, independent of its attempt."""

    attempt: ClassVar[int] = 0
    reason: Reason
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAction:
    """The header of an action on one attempt of an agent."""

    reason: Reason
    agent: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAction(AttemptAction):
    """The header of an action on the pod of an attempt: the pod's name, and the UID that fences the action."""

    pod: str
    pod_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateClaim(AttemptAction):
    """Create the claim of an agent's workspace, for the pod of an attempt."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "create-claim"
    pod: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePod(AttemptAction):
    """Create the gated pod of an attempt."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "create-pod"
    pod: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTask(AttemptAction):
    """Create the gated pod of a task of an attempt; `number` is the try, from 0."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "create-task"
    pod: str
    kind: TaskKind
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateEscalation(AttemptAction):
    """Create an escalation: a block, a question or a request for approval."""

    step: ClassVar[str] = "create-escalation"
    intent: Intent
    inquiry: Inquiry

    @property
    def escalation(self) -> str:
        """The name of the escalation."""
        return self.inquiry.name


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptPod(PodAction):
    """Save the UID of the gated pod that becomes the attempt's."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "adopt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptTask(PodAction):
    """Save the UID of the gated pod that becomes the task's."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "adopt-task"
    kind: TaskKind
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTask(PodAction):
    """Save how the pod of a task ended, and what follows for the attempt. `pod` is empty if the pod is gone."""

    intent: ClassVar[Intent] = Intent.RECORD
    step: ClassVar[str] = "record-task"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTask(AgentAction):
    """Save that a human wants a task to be tried again."""

    intent: ClassVar[Intent] = Intent.ESCALATE_BLOCKED
    step: ClassVar[str] = "retry-task"
    escalation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome(PodAction):
    """Save how an attempt ended. `pod` is empty if the pod is gone."""

    intent: ClassVar[Intent] = Intent.RECORD
    step: ClassVar[str] = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveAttempt(AttemptAction):
    """Save the agent's next attempt with its charge and cooldown, before any effect."""

    intent: ClassVar[Intent] = Intent.AUTO_RESTART
    step: ClassVar[str] = "reserve"
    charge: Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberQuestion(AttemptAction):
    """Save that a human was asked an agent's question."""

    intent: ClassVar[Intent] = Intent.ESCALATE_GUIDANCE
    step: ClassVar[str] = "ask"
    inquiry: Inquiry

    @property
    def escalation(self) -> str:
        """The name of the question's escalation."""
        return self.inquiry.name


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDismissal(AttemptAction):
    """Save when it was noticed that a human had dismissed a question: the agent has waited for an answer until then."""

    intent: ClassVar[Intent] = Intent.RECORD
    step: ClassVar[str] = "note-dismissal"
    escalation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberApproval(AttemptAction):
    """Save that a human was asked for an approval."""

    intent: ClassVar[Intent] = Intent.REQUEST_APPROVAL
    step: ClassVar[str] = "ask"
    escalation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockAgent(AttemptAction):
    """Save the escalation that an agent waits for, and its expiry."""

    intent: ClassVar[Intent] = Intent.ESCALATE_BLOCKED
    step: ClassVar[str] = "block"
    inquiry: Inquiry
    expires_at: datetime

    @property
    def escalation(self) -> str:
        """The name of the block's escalation."""
        return self.inquiry.name


@dataclass(frozen=True, slots=True, kw_only=True)
class UnblockAgent(AgentAction):
    """Save that an agent's block is over."""

    intent: ClassVar[Intent] = Intent.ESCALATE_BLOCKED
    step: ClassVar[str] = "unblock"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewWait(AgentAction):
    """Save a human's decision on a block after which the agent stays blocked; the time until the Run fails starts again."""

    intent: ClassVar[Intent] = Intent.ESCALATE_BLOCKED
    step: ClassVar[str] = "wait"
    escalation: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAdvice(AttemptAction):
    """Save the result of a consultation."""

    intent: ClassVar[Intent] = Intent.CONSULT
    step: ClassVar[str] = "advise"
    advice: AdviceState

    @property
    def escalation(self) -> str:
        """The name of the escalation for the situation."""
        return self.advice.situation


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRun(RunAction):
    """Save when the Run was paused, or halted."""

    intent: ClassVar[Intent] = Intent.STOP
    step: ClassVar[str] = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRun(RunAction):
    """Save that the pause or the halt is over, with a new attempt for each interrupted agent."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendDeadline(RunAction):
    """Save since when providers hold back every unfinished agent: the Run's deadline stands still."""

    intent: ClassVar[Intent] = Intent.RECORD
    step: ClassVar[str] = "suspend-deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueDeadline(RunAction):
    """Save that an agent may work again, and for how long the deadline has stood still."""

    intent: ClassVar[Intent] = Intent.RECORD
    step: ClassVar[str] = "continue-deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun(RunAction):
    """Save the decision to end the Run. `phase` is its final phase."""

    step: ClassVar[str] = "stop"
    intent: Intent
    phase: Phase
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteRun(RunAction):
    """Save that the Run has ended. `phase` is its final phase."""

    intent: ClassVar[Intent] = Intent.FINISH
    step: ClassVar[str] = "complete"
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Ungate(PodAction):
    """Remove the scheduling gate from the pod of an attempt or a task. Its UID is saved, unless it is a first attempt's."""

    intent: ClassVar[Intent] = Intent.START
    step: ClassVar[str] = "ungate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate(PodAction):
    """End a running pod by a deadline, which keeps the pod, its logs and its exit codes."""

    intent: ClassVar[Intent] = Intent.STOP
    step: ClassVar[str] = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod(PodAction):
    """Delete a pod. `grace_seconds` is never 0, which the API server treats as a forced deletion."""

    step: ClassVar[str] = "delete-pod"
    intent: Intent
    grace_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFinalizer(PodAction):
    """Remove our finalizer from a pod, so that it can be deleted."""

    intent: ClassVar[Intent] = Intent.RELEASE
    step: ClassVar[str] = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consult(AttemptAction):
    """Start a consultation of the advisor."""

    intent: ClassVar[Intent] = Intent.CONSULT
    step: ClassVar[str] = "consult"
    consultation: Consultation

    @property
    def escalation(self) -> str:
        """The name of the escalation for the situation."""
        return self.consultation.situation


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverAnswer(AttemptAction):
    """Write the answer to a question, or its dismissal, into the agent's report."""

    intent: ClassVar[Intent] = Intent.DELIVER_ANSWER
    step: ClassVar[str] = "deliver"
    escalation: str
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEscalationPhase(AttemptAction):
    """Write the phase of an escalation."""

    step: ClassVar[str] = "mark"
    intent: Intent
    escalation: str
    escalation_phase: EscalationPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRun(RunAction):
    """Delete a finished Run whose time to live is over."""

    intent: ClassVar[Intent] = Intent.EXPIRE
    step: ClassVar[str] = "delete-run"


Creation = CreateClaim | CreatePod | CreateTask | CreateEscalation
"""Harmless steps: they may be done before anything is saved."""

RunTransition = PauseRun | ResumeRun | SuspendDeadline | ContinueDeadline | StopRun | CompleteRun
AgentTransition = (
    AdoptPod
    | RecordOutcome
    | ReserveAttempt
    | RememberQuestion
    | NoteDismissal
    | RememberApproval
    | BlockAgent
    | UnblockAgent
    | RenewWait
    | RecordAdvice
    | AdoptTask
    | RecordTask
    | RetryTask
)
Transition = RunTransition | AgentTransition
"""Changes of the operator's state. They are pure, and saved before any effect that depends on them."""

Effect = Ungate | Terminate | DeletePod | RemoveFinalizer | Consult | DeliverAnswer | SetEscalationPhase | DeleteRun
"""Steps that are done only after the state that allows them is saved."""

Action = Creation | Transition | Effect
