"""What the planner says: a `Plan` is the decision about one Run, its actions the steps that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.api.advice import AdviceState, AdvisedIntent
from controller.api.escalation import Decision, EscalationPhase, EscalationType, Proposal, Suggestion
from controller.api.run_status import Health, Phase
from controller.plan.reasons import Reason


class Intent(StrEnum):
    """What an action is for."""

    START = "start"
    AUTO_RESTART = "auto_restart"
    AUTO_STOP_STALE = "auto_stop_stale"
    ESCALATE_GUIDANCE = "escalate_guidance"
    ESCALATE_BLOCKED = "escalate_blocked"
    DELIVER_ANSWER = "deliver_answer"
    REQUEST_APPROVAL = "request_approval"
    CONSULT = "consult"
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
    CREATE_ESCALATION = "create-escalation"
    # Changes of the operator's state, pure; saved before any effect that depends on them.
    ADOPT = "adopt"
    RECORD = "record"
    RESERVE = "reserve"
    ASK = "ask"
    BLOCK = "block"
    UNBLOCK = "unblock"
    WAIT = "wait"
    ADVISE = "advise"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    COMPLETE = "complete"
    # Effects: done only when the state that allows them is saved.
    UNGATE = "ungate"
    END = "end"
    DELETE_POD = "delete-pod"
    RELEASE = "release"
    CONSULT = "consult"
    DELIVER = "deliver"
    MARK = "mark"
    DELETE_RUN = "delete-run"


CREATIONS = frozenset({Step.CREATE_CLAIM, Step.CREATE_POD, Step.CREATE_ESCALATION})
TRANSITIONS = frozenset(
    {
        Step.ADOPT,
        Step.RECORD,
        Step.RESERVE,
        Step.ASK,
        Step.BLOCK,
        Step.UNBLOCK,
        Step.WAIT,
        Step.ADVISE,
        Step.PAUSE,
        Step.RESUME,
        Step.STOP,
        Step.COMPLETE,
    }
)


class Charge(StrEnum):
    """Who pays for a new attempt: the restart budget, the capped free restarts, or nobody, since a human asked for it."""

    BUDGET = "budget"
    FREE = "free"
    UNCHARGED = "nobody"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What an escalation says: one line for the inbox, the cause and the remedy or the question, and until when it waits."""

    name: str
    summary: str
    text: str
    expires_at: datetime | None
    type: EscalationType = EscalationType.BLOCKED
    question: str = ""
    options: tuple[str, ...] = (Decision.RETRY, Decision.STOP, Decision.WAIT)
    proposal: Proposal | None = None
    suggestion: Suggestion | None = None


@dataclass(frozen=True, slots=True)
class Consultation:
    """What an advisor is asked: which situation, what the rules want in it, why, and what it may say to do.

    `situation` is the name of the escalation that the situation is or would be asked by: one consultation each. `question` is the
    agent's own, empty where it asks nothing; `cause` may hold words of the kubelet and of the agent.
    """

    situation: str
    wanted: Intent
    reason: Reason
    cause: str
    allowed: tuple[AdvisedIntent, ...]
    question: str = ""
    options: tuple[str, ...] = ()


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
    charge: Charge | None = None
    escalation: str = ""
    escalation_phase: EscalationPhase | None = None
    question: str = ""
    inquiry: Inquiry | None = None
    consultation: Consultation | None = None
    advice: AdviceState | None = None
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AgentView:
    """How one agent stands, for status and for people."""

    name: str
    health: Health
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """What blocks an agent until a human helps. `evidence` tells one occurrence from the next, for example a pod's UID.

    `account` goes into the escalation only: what it says changes with every look. `expires_at` is when nobody has helped in time,
    where that is not the policy's blockedTimeoutSeconds; a `patient` one is waited for however long it takes.
    """

    agent: str
    attempt: int
    reason: Reason
    health: Health
    cause: str
    remedy: str
    evidence: str = ""
    account: str = ""
    expires_at: datetime | None = None
    patient: bool = False

    @property
    def message(self) -> str:
        """Cause and remedy in one line."""
        return f"agent {self.agent}: {self.cause}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says of the Run: its phase, why, what to do now and when to look again at the latest."""

    phase: Phase
    reason: Reason
    message: str = ""
    actions: tuple[Action, ...] = ()
    next_check: datetime | None = None
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision: the verdict of the first rule that applies, how each agent stands, and a digest of it all.

    `withheld` are the actions that a dry run only shows.
    """

    rule: str
    verdict: Verdict
    agents: tuple[AgentView, ...] = ()
    digest: str = ""
    withheld: tuple[Action, ...] = ()

    @property
    def actions(self) -> tuple[Action, ...]:
        """What to do now, in order; empty for a noop."""
        return self.verdict.actions
