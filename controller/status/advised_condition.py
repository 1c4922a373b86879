"""Pure: the condition Advised. It shows whether the advisor takes part in a Run, and the result of its last consultation.

An ordered list of small checks; the first that returns a condition decides.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.api.advice import AdviceState, AdviceVerdict
from controller.api.llm_policy import LLMMode
from controller.plan.escalations.consultation import in_words
from controller.plan.snapshot import Snapshot
from controller.status.condition_reasons import ConditionReason

Condition = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""

ADVISED = "Advised"


def advised(snapshot: Snapshot) -> tuple[Condition, ...]:
    """Return the condition; none for a Run whose policy cannot be read."""
    findings = (check(snapshot) for check in CHECKS) if snapshot.policy else ()
    return tuple(condition for condition in findings if condition)[:1]


def last_advice(snapshot: Snapshot) -> AdviceState | None:
    """Return the most recent consultation of all agents of the Run."""
    agents = snapshot.state.agents.values() if snapshot.state else ()
    return max((advice for agent in agents for advice in agent.advice[-1:]), key=lambda advice: advice.at, default=None)


def _off(snapshot: Snapshot) -> Condition | None:
    if snapshot.mode is not LLMMode.OFF:
        return None
    wants_none = snapshot.policy is not None and snapshot.policy.spec.llm.mode is LLMMode.OFF
    if wants_none or snapshot.advisor:
        return ADVISED, "False", ConditionReason.OFF, ""
    return ADVISED, "False", ConditionReason.NO_ADVISOR, ""


def _nothing_asked(snapshot: Snapshot) -> Condition | None:
    if last_advice(snapshot) is not None:
        return None
    return ADVISED, "Unknown", ConditionReason.NOTHING_ASKED, f"mode {snapshot.mode}"


def _last_consultation(snapshot: Snapshot) -> Condition | None:
    last = last_advice(snapshot)
    if last is None:
        return None
    if last.verdict is AdviceVerdict.ACCEPTED:
        return ADVISED, "True", AdviceVerdict.ACCEPTED, in_words(last)
    return ADVISED, "False", last.reason, f"{last.verdict} ({last.command}): {last.message}"


CHECKS: tuple[Callable[[Snapshot], Condition | None], ...] = (_off, _nothing_asked, _last_consultation)
