"""The planner's result: a `Plan` is the decision about one Run; its actions are the steps that carry it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.run_status import Health, Phase
from controller.plan.actions import Action
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class AgentView:
    """The health of one agent, for the status and for people."""

    name: str
    health: Health
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A problem that blocks an agent until a human helps. `evidence` identifies the occurrence, for example by a pod's UID.

    `account` is added to the escalation only, since its text changes with every pass. `decisions` says what each answer does, if
    that differs from other blocks. `expires_at` is the deadline for help if it differs from the policy's blockedTimeoutSeconds. A
    `patient` block never expires. While a pod is `ending`, an answer starts nothing: the stop or the pause is decided. Without a
    `health` the agent keeps its own.
    """

    agent: str
    attempt: int
    reason: Reason
    health: Health | None
    cause: str
    remedy: str
    evidence: str = ""
    account: str = ""
    decisions: str = ""
    expires_at: datetime | None = None
    patient: bool = False
    ending: bool = False

    @property
    def message(self) -> str:
        """Cause and remedy in one line."""
        return f"agent {self.agent}: {self.cause}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision of one rule about the Run: its phase, the reason, the actions, and when to check again at the latest."""

    phase: Phase
    reason: Reason
    message: str = ""
    actions: tuple[Action, ...] = ()
    next_check: datetime | None = None
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision: the verdict of the first rule that applies, each agent's health, and a digest of it all.

    `withheld` are the actions that a dry run only shows.
    """

    rule: str
    verdict: Verdict
    agents: tuple[AgentView, ...] = ()
    digest: str = ""
    withheld: tuple[Action, ...] = ()

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions to do now, in order; empty if none is due."""
        return self.verdict.actions
