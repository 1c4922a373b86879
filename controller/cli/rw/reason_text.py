"""The sentences of reasons; a separate module, since the plan is slow to import."""

from __future__ import annotations

from controller.plan.reasons import Reason


def sentence(reason: str) -> str:
    """Return a reason's sentence; empty for a reason that is not the operator's, such as a kubelet's."""
    try:
        return Reason(reason).sentence
    except ValueError:
        return ""
