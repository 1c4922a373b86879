"""The sentences of reasons. Apart, since the plan takes its time to import."""

from __future__ import annotations

from controller.plan.reasons import Reason


def sentence(reason: str) -> str:
    """Return what a reason means, empty for one that is not the operator's own, such as a kubelet's."""
    try:
        return Reason(reason).sentence
    except ValueError:
        return ""
