"""Pure: the condition ProvidersFound. It is present, and False, while an agent names a Provider that does not exist."""

from __future__ import annotations

from controller.plan.snapshot import Snapshot
from controller.status.condition_reasons import ConditionReason
from controller.status.halted_condition import Condition


def providers_found(snapshot: Snapshot) -> tuple[Condition, ...]:
    """Return the condition with the agents that nothing limits, because their provider is missing."""
    missing = [f"agent {facts.agent}: Provider {facts.provider}" for facts in snapshot.providers if not facts.exists]
    if not missing:
        return ()
    return (("ProvidersFound", "False", ConditionReason.PROVIDER_NOT_FOUND, "; ".join(missing)),)
