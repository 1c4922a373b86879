"""What the planner reads and what it says: plain frozen data, JSON-serialisable, no behaviour beyond looking things up.

A `Snapshot` is everything that may matter to a decision about one Run. A `Plan` is the decision. Times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.api.names import FINALIZER_OUTCOME
from controller.api.policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.run_status import Health, OperatorState, Phase
from controller.api.violations import Violation
from controller.plan.reasons import Reason


class Intent(StrEnum):
    """What an action is for. Later issues add the intents that restart, escalate and consult."""

    START = "start"
    STOP = "stop"
    RECORD = "record"
    FINISH = "finish"
    RELEASE = "release"
    EXPIRE = "expire"


class Step(StrEnum):
    """The next single thing that an action does. Every step is derived anew from state and cluster, so a crash loses none."""

    # Harmless: may be done before anything is saved.
    CREATE_CLAIM = "create-claim"
    CREATE_POD = "create-pod"
    # Changes of the operator's state, pure; saved before any effect that depends on them.
    ADOPT = "adopt"
    RECORD = "record"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    COMPLETE = "complete"
    # Effects: done only when the state that allows them is saved.
    UNGATE = "ungate"
    END = "end"
    DELETE_POD = "delete-pod"
    RELEASE = "release"
    DELETE_RUN = "delete-run"


CREATIONS = frozenset({Step.CREATE_CLAIM, Step.CREATE_POD})
TRANSITIONS = frozenset({Step.ADOPT, Step.RECORD, Step.PAUSE, Step.RESUME, Step.STOP, Step.COMPLETE})


@dataclass(frozen=True, slots=True)
class Termination:
    """How the judged container ended, in the kubelet's words."""

    exit_code: int
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What was observed of one pod; `agent` and `attempt` come from its labels, `run_uid` from its controlling owner."""

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
    bound: bool = False
    ready: bool = False
    deleting: bool = False
    deleted_at: datetime | None = None
    grace_seconds: int = 30
    finalizers: tuple[str, ...] = ()
    ending_since: datetime | None = None
    disrupted: bool = False
    waiting_reason: str = ""
    waiting_message: str = ""
    termination: Termination | None = None

    @property
    def has_finalizer(self) -> bool:
        """Whether the pod is held until its outcome is on record."""
        return FINALIZER_OUTCOME in self.finalizers

    @property
    def terminated(self) -> bool:
        """Whether no process of this pod runs or ever will; never judged by container statuses (DESIGN section 3)."""
        return self.phase in ("Succeeded", "Failed") or (self.deleting and not self.bound)


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
class RunFacts:
    """The Run as observed; `spec` is None where it cannot be read at all, `violations` say why or what else is refused."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: RunSpec | None
    violations: tuple[Violation, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that may matter to a decision about one Run."""

    run: RunFacts
    policy: ResolvedPolicy | None = None
    policy_exists: bool = True
    policy_refusal: str = ""
    state: OperatorState | None = None
    state_refusal: str = ""
    pods: tuple[PodFacts, ...] = ()
    claims: tuple[ClaimFacts, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    namespace_terminating: bool = False

    @property
    def policy_reason(self) -> Reason:
        """Why there is no policy in force, where there is none."""
        return Reason.POLICY_REFUSED if self.policy_exists else Reason.POLICY_NOT_FOUND


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do: what for, which step of it, why, and on which evidence."""

    intent: Intent
    step: Step
    reason: Reason
    agent: str = ""
    attempt: int = 0
    pod: str = ""
    pod_uid: str = ""
    phase: Phase | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class AgentView:
    """How one agent stands, for status and for people."""

    name: str
    health: Health
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says of the Run: its phase, why, what to do now and when to look again at the latest."""

    phase: Phase
    reason: Reason
    message: str = ""
    actions: tuple[Action, ...] = ()
    next_check: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision: the verdict of the first rule that applies, how each agent stands, and a digest of it all."""

    rule: str
    verdict: Verdict
    agents: tuple[AgentView, ...] = ()
    digest: str = ""

    @property
    def actions(self) -> tuple[Action, ...]:
        """What to do now, in order; empty for a noop."""
        return self.verdict.actions
