"""The planner's result: a `Plan` is the decision about one Run; its actions are the steps that carry it out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from controller.api.phases import Health, Phase
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


@dataclass(frozen=True)
class Plan:
    """The decision: the verdict of the first rule that applies, and each agent's health.

    `planned` are the rule's actions where a dry run withholds some of them; None if all are in the verdict.
    """

    rule: str
    verdict: Verdict
    agents: tuple[AgentView, ...] = ()
    planned: tuple[Action, ...] | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions to do now, in order; empty if none is due."""
        return self.verdict.actions

    @property
    def withheld(self) -> tuple[Action, ...]:
        """The actions that a dry run only shows."""
        return tuple(action for action in self.planned or () if action not in self.actions)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 (hex) of the decision's canonical JSON; times, ages and texts that may hold them are left out.

        Most plans are made to find that nothing is due. A digest is computed for those that are shown or recorded.
        """
        canonical = {
            "rule": self.rule,
            "phase": self.verdict.phase,
            "reason": self.verdict.reason,
            "actions": [_digest_key(action) for action in (self.actions if self.planned is None else self.planned)],
            "agents": [[view.name, view.health, view.reason] for view in self.agents],
        }
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _digest_key(action: Action) -> list[str | int | None]:
    """Return the identity of an action, without its message."""
    header: list[str | int | None] = [action.intent, action.step, action.reason, action.agent, action.attempt]
    return [*header, *(getattr(action, field, default) for field, default in DIGEST_FIELDS)]


DIGEST_FIELDS = (("pod", ""), ("pod_uid", ""), ("phase", None), ("charge", None), ("escalation", ""), ("escalation_phase", None))
"""Fields of actions that are part of a digest, and their value for an action without the field."""
