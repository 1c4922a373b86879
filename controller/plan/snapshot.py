"""The planner's input: plain frozen data, JSON-serialisable, without behaviour beyond lookups.

A `Snapshot` is everything that may matter to a decision about one Run. Times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.advice import AdviceState
from controller.api.agent_report import LimitKind
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.llm_policy import LLMMode
from controller.api.names import FINALIZER_OUTCOME, RunKey
from controller.api.operator_state import OperatorState, ResultStatus, Usage
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.violations import Violation
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class Termination:
    """How a container ended, in the kubelet's terms; `container` names one that is not the judged one."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    container: str = ""


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """An agent's question, under the id that the agent chose."""

    id: str
    text: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """A limit of an agent's provider: when the agent met it, and when the provider answers again, as far as it says so.

    Each report measures `at` anew, so it varies by about two seconds. `resets_at` is later than `at`; it may be far from the truth.
    """

    kind: LimitKind
    at: datetime
    resets_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """A report about one attempt, with its ages converted to times by the API server's clock.

    `deliveries` are the questions whose answers the operator has written into the report, `dismissals` those that it has marked
    there as dismissed. `progress_at` is None for an agent that has reported no progress in this attempt. `turns` are those that a
    known CLI has finished, `limit` is one that no finished turn has followed.
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
    turns: int = 0
    limit: LimitFacts | None = None
    problems: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    dismissals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PodFacts:
    """The facts of one pod; `agent` and `attempt` come from its labels, `run_uid` from its controlling owner.

    `gate_index` is the place of our scheduling gate among the pod's gates: others may have put theirs before it.

    `grace_seconds` is the pod's own grace period, `deletion_grace_seconds` the one of its deletion, which the deleting client
    chose. `container` is the judged container by the Run's spec; a pod `without_agent` lacks it. `init_termination` is the end of
    the init container that failed the pod. `deadline_at` is the end of an activeDeadlineSeconds that the operator did not set and
    that ended the pod. A `rejected` pod never ran: its kubelet refused it. `restarted_at` is the request for a restart that the pod
    of a first attempt fulfils, since it came before. `source_revision` is the commit that its init container has cloned.

    The pod of a task has its label in `task` (`verify` or `publish`) and the try in `task_number`, both from its name. `task_tree`
    is the git tree of the copy that a verification is about. `task_words` are the last words of the container whose end decides, up
    to 4096 bytes, without secrets; `pushed_words` are those of the container that has pushed.
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
    gate_index: int = 0
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
    deadline_at: datetime | None = None
    disrupted_at: datetime | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    container: str = ""
    without_agent: bool = False
    termination: Termination | None = None
    init_termination: Termination | None = None
    rejected: bool = False
    reporting: bool = False
    last_report: ReportFacts | None = None
    restarted_at: datetime | None = None
    source_revision: str = ""
    task: str = ""
    task_number: int = 0
    task_tree: str = ""
    task_words: str = ""
    pushed_words: str = ""

    @property
    def has_finalizer(self) -> bool:
        """Whether our finalizer holds the pod until its outcome is recorded."""
        return FINALIZER_OUTCOME in self.finalizers

    @property
    def terminated(self) -> bool:
        """Whether no process of this pod runs or ever will.

        Container statuses are not considered: on a lost node they may be wrong. A human who deletes a pod with --force while its
        node is lost vouches that it has ended.
        """
        vouched = self.forced and self.node_lost_since is not None
        return self.phase in ("Succeeded", "Failed") or (self.deleting and (vouched or not self.bound))

    @property
    def agent_ended(self) -> bool:
        """Whether the agent can never work again in this pod, although other containers may run on.

        The judged container is not restarted, so its end is final. No other container's end is the agent's.
        """
        return self.terminated or self.termination is not None or self.without_agent

    @property
    def prolonged(self) -> bool:
        """Whether the deletion has a longer grace period than the pod's own, which is bounded: a client may delete with any
        period.
        """
        return self.deleting and self.deletion_grace_seconds > self.grace_seconds


@dataclass(frozen=True, slots=True)
class PodWarning:
    """One Warning Event about a pod: its reason and its message, in one line and without secrets."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PodEvents:
    """The newest Warning Events about a pod that does not start, or why they are `unread`."""

    pod_uid: str
    warnings: tuple[PodWarning, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """The facts of one agent's workspace claim; `run_uid` is its controlling owner, empty without one."""

    agent: str
    run_uid: str
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that the API server refused for good in this pass; `message` is its own.

    `step`, `agent` and `attempt` are those of the action; `target` is its pod's UID or its escalation, `name` the object's name.
    """

    agent: str
    message: str
    step: str = "create-pod"
    attempt: int = 0
    target: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class EscalationFacts:
    """The facts of one escalation; `run_uid` is its spec's, `decision` is None until a human answered.

    `question` is the id of the agent's question, empty for other types. An escalation that is not `answerable` was created while no
    policy was in force: nobody may answer it before a policy defines who.
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
        """Whether it is in the inbox, or its answer has not been carried out yet."""
        return self.phase in (None, EscalationPhase.OPEN, EscalationPhase.ANSWERED)

    @property
    def waits(self) -> bool:
        """Whether it waits for a human."""
        return self.phase in (None, EscalationPhase.OPEN) and self.decision is None


@dataclass(frozen=True, slots=True)
class ConsultationFacts:
    """A consultation that this process has started, with the advisor's answer, None until it is known. It is not recorded yet."""

    agent: str
    situation: str
    advice: AdviceState | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The facts of the Run; `spec` is None if it cannot be parsed, `violations` list the refused fields.

    `unreadable` is the reason why the operator cannot read the object at all: too large, too deep, or its processing fails.
    `refused_since` is the time since which the operator's writes for the Run have been refused, by its condition WritesAccepted.
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
    refused_since: datetime | None = None

    @property
    def key(self) -> RunKey:
        """The key of the Run."""
        return RunKey(self.namespace, self.name, self.uid)


@dataclass(frozen=True, slots=True)
class HaltFacts:
    """A halt in force: who set it, why, and since when. `cluster` distinguishes the ClusterHalt from a namespace's Halt.

    A spent `budget` of a provider with onSpent Stop halts a Run, too; the reason then has all of it.
    """

    by: str
    reason: str
    since: datetime | None = None
    cluster: bool = False
    budget: bool = False


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """The provider that an agent names: whether the agent may start now, or why it waits, and until when at the earliest.

    A provider that does not `exist` limits nothing.
    """

    agent: str
    provider: str
    exists: bool = True
    admits: bool = True
    reason: Reason | None = None
    until: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that may matter to a decision about one Run.

    `advisor` shows whether the operator has one; `mode` is the effective mode, Off without an advisor. `admission` shows whether
    the admission policies are installed, as far as the operator's options say; nothing is decided by it. `turn_at` is when
    a Run that was halted may start again; None for every other. `providers` are those that its agents name.
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
    pod_events: tuple[PodEvents, ...] = ()
    escalations: tuple[EscalationFacts, ...] = ()
    reports: tuple[ReportFacts, ...] = ()
    consultations: tuple[ConsultationFacts, ...] = ()
    advisor: bool = False
    mode: LLMMode = LLMMode.OFF
    namespace_terminating: bool = False
    queued: bool = False
    admission: bool = False
    halt: HaltFacts | None = None
    turn_at: datetime | None = None
    providers: tuple[ProviderFacts, ...] = ()

    @property
    def policy_reason(self) -> Reason:
        """The reason why no policy is in force, if none is."""
        return Reason.POLICY_REFUSED if self.policy_exists else Reason.POLICY_NOT_FOUND
