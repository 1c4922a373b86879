"""Pure: the condition Halted. A Run that is not halted has no such condition; status.message has who halted it, when and why."""

from __future__ import annotations

from controller.plan.model import Plan
from controller.plan.reasons import Reason

Condition = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""


def halted(plan: Plan) -> tuple[Condition, ...]:
    """Return the condition while a halt decides; a finished Run is shown as it ended."""
    return (("Halted", "True", Reason.HALTED, ""),) if plan.rule == "halted" else ()
