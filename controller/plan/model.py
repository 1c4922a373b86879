"""What the planner says: a `Plan` is the decision about one Run, its actions the steps that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.run_status import Health, Phase
from controller.plan.actions import Action
from controller.plan.reasons import Reason


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
