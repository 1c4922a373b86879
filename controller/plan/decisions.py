"""What one rule says of one agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.plan.actions import Action
from controller.plan.model import Block
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an agent cannot go on now, and when to look again at the latest; `blocked` where only a human can help."""

    reason: Reason
    message: str
    check_at: datetime | None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class AgentDecision:
    """What is due for one agent: actions, or why none is, or what blocks it; and when to look again."""

    actions: tuple[Action, ...] = ()
    hold: Wait | None = None
    block: Block | None = None
    check_at: datetime | None = None
