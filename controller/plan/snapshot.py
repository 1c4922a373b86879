"""What the planner reads: plain frozen data, JSON-serialisable, no behaviour beyond looking things up.

A `Snapshot` is everything that may matter to a decision about one Run. Times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.advice import AdviceState
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.names import FINALIZER_OUTCOME, RunKey
from controller.api.policy import LLMMode, ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.run_status import OperatorState, ResultStatus, Usage
from controller.api.violations import Violation
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class Termination:
    """How the judged container ended, in the kubelet's words."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """What an agent asks, under the id that it gave."""

    id: str
    text: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What a reporter said of one attempt, its ages turned into times by the API server's clock.

    `deliveries` are the questions whose answers the operator has put into the report, `dismissals` those of which it has put there
    that they were dismissed; `progress_at` is None for an agent that has shown no progress in this attempt.
    """

    agent: str
    run_uid: str
    attempt: int
    pod_uid: str
    seq: int
    reported_at: datetime
    interval_seconds: int
    active_at: datetime
    progress_at: datetime | None = None
    progress_events: int = 0
    sources: tuple[str, ...] = ()
    questions: tuple[QuestionFacts, ...] = ()
    delivered: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    parked: bool = False
    result: ResultStatus | None = None
    usage: Usage | None = None
    problems: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    dismissals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What was observed of one pod; `agent` and `attempt` come from its labels, `run_uid` from its controlling owner.

    `grace_seconds` is the pod's own grace period, `deletion_grace_seconds` what its deletion gives it: whatever its deleter named.
    """

    name: str
    uid: str
    agent: str
    attempt: int
    run_uid: str
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    gated: bool = False
    foreign_gates: tuple[str, ...] = ()
    created_at: datetime | None = None
    bound: bool = False
    node: str = ""
    node_lost_since: datetime | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    ready: bool = False
    unready_since: datetime | None = None
    deleting: bool = False
    deleted_at: datetime | None = None
    forced: bool = False
    grace_seconds: int = 30
    deletion_grace_seconds: int = 0
    finalizers: tuple[str, ...] = ()
    ending_since: datetime | None = None
    disrupted_at: datetime | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    termination: Termination | None = None
    reporting: bool = False
    last_report: ReportFacts | None = None

    @property
    def has_finalizer(self) -> bool:
        """Whether the pod is held until its outcome is on record."""
        return FINALIZER_OUTCOME in self.finalizers

    @property
    def terminated(self) -> bool:
        """Whether no process of this pod runs or ever will; never judged by container statuses (DESIGN section 3).

        A human who deletes a pod with --force while its node is lost vouches that it is gone.
        """
        vouched = self.forced and self.node_lost_since is not None
        return self.phase in ("Succeeded", "Failed") or (self.deleting and (vouched or not self.bound))

    @property
    def prolonged(self) -> bool:
        """Whether its deletion leaves it longer than its own grace period, which is bounded: anybody may delete with any."""
        return self.deleting and self.deletion_grace_seconds > self.grace_seconds


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What was observed of one agent's workspace claim; `run_uid` is its controlling owner, empty for nobody's."""

    agent: str
    run_uid: str
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server refused to create what an agent needs; `message` is its own."""

    agent: str
    message: str


@dataclass(frozen=True, slots=True)
class EscalationFacts:
    """What was observed of one escalation; `run_uid` is its spec's, `decision` empty until a human answered.

    `question` is the id of the agent's question, empty for other types. One that is not `answerable` was asked while no policy
    was in force: nobody may answer it before one says who.
    """

    name: str
    uid: str
    run_uid: str
    agent: str
    attempt: int
    phase: EscalationPhase | None = None
    decision: Decision | None = None
    by: str = ""
    type: EscalationType = EscalationType.BLOCKED
    question: str = ""
    answer: str = ""
    expires_at: datetime | None = None
    delivered_at: datetime | None = None
    answerable: bool = True

    @property
    def open(self) -> bool:
        """Whether it still stands in the inbox or its answer was not carried out yet."""
        return self.phase in (None, EscalationPhase.OPEN, EscalationPhase.ANSWERED)


@dataclass(frozen=True, slots=True)
class ConsultationFacts:
    """A consultation that this process has begun: what the advisor said, None while that is not known. Not on record yet."""

    agent: str
    situation: str
    advice: AdviceState | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The Run as observed; `spec` is None where it cannot be read at all, `violations` say why or what else is refused.

    `unreadable` says why the operator cannot read the object at all: too large, too deep, or it fails whoever judges it.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    spec: RunSpec | None
    violations: tuple[Violation, ...] = ()
    gone: bool = False
    created_at: datetime | None = None
    unreadable: str = ""

    @property
    def key(self) -> RunKey:
        """What identifies the Run."""
        return RunKey(self.namespace, self.name, self.uid)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that may matter to a decision about one Run.

    `advisor` tells whether the operator has one; `mode` is the effective mode, Off where it has none.
    """

    run: RunFacts
    policy: ResolvedPolicy | None = None
    policy_exists: bool = True
    policy_refusal: str = ""
    state: OperatorState | None = None
    state_refusal: str = ""
    pods: tuple[PodFacts, ...] = ()
    claims: tuple[ClaimFacts, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    escalations: tuple[EscalationFacts, ...] = ()
    reports: tuple[ReportFacts, ...] = ()
    consultations: tuple[ConsultationFacts, ...] = ()
    advisor: bool = False
    mode: LLMMode = LLMMode.OFF
    namespace_terminating: bool = False
    queued: bool = False

    @property
    def policy_reason(self) -> Reason:
        """Why there is no policy in force, where there is none."""
        return Reason.POLICY_REFUSED if self.policy_exists else Reason.POLICY_NOT_FOUND
