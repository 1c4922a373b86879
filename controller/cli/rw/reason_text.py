"""The sentences of reasons, for `describe`, which does without the rest of the plan, and for `explain`."""

from __future__ import annotations

from controller.plan.reasons import Reason
from controller.status.condition_reasons import ConditionReason

SENTENCES: dict[str, str] = {reason.value: reason.sentence for reason in (*ConditionReason, *Reason)}


def sentence(reason: str) -> str:
    """Return a reason's sentence; empty for a reason that is not the operator's, such as a kubelet's."""
    return SENTENCES.get(reason, "")
