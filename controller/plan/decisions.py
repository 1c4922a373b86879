"""The decision of one rule about one agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.plan.actions import Action
from controller.plan.model import Block
from controller.plan.reasons import Reason


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an agent cannot proceed now, and when to check again at the latest; `blocked` means that only a human can help."""

    reason: Reason
    message: str
    check_at: datetime | None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class AgentDecision:
    """The actions that are due for one agent, or why none is, or its block; and when to check again."""

    actions: tuple[Action, ...] = ()
    hold: Wait | None = None
    block: Block | None = None
    check_at: datetime | None = None
