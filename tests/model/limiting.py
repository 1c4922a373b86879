"""Mutants of what follows from a provider's facts and from an end at its limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.plan import context
from controller.plan.actions import CreateClaim, CreatePod
from controller.plan.attempts import agent_end, restarts, start_stop
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision
from controller.plan.intents import Charge
from controller.plan.outcomes import known
from controller.plan.providers import starts
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules
from tests.model.mutant import Mutant, agent_rule

_hold, _wants, _spoke_since = starts.hold, starts._wants, agent_end.spoke_since


def _hold_creations(at: PlanContext, agent: Any) -> Any:
    """Hold the creation of a pod, and start one that was created."""
    held = agent_rules.starting(at, agent)
    step = start_stop.start(at, agent)
    created = step is not None and not isinstance(step, CreateClaim | CreatePod)
    return AgentDecision((step,)) if created and isinstance(step, start_stop.Starting) else held


def _hold_starts(at: PlanContext, agent: Any) -> Any:
    """Create a pod whose start is then held."""
    step = start_stop.start(at, agent)
    return AgentDecision((step,)) if isinstance(step, CreateClaim | CreatePod) else agent_rules.starting(at, agent)


def _hold_first_attempts(at: PlanContext, agent: str) -> Any:
    """Let an agent that has met the limit try again at once."""
    return None if at.agent_state(agent).last_outcome == Reason.PROVIDER_LIMITED else _hold(at, agent)


def _hold_unchecked(at: PlanContext, agent: str) -> Any:
    """Wait for an event, with no time to look again."""
    held = _hold(at, agent)
    return replace(held, check_at=None) if held else None


def _unadopted_wants(at: PlanContext, agent: str) -> bool:
    """Take an agent whose gated pod is on record for one that has started."""
    return _wants(at, agent) and not at.agent_state(agent).pod_uid


def _charged(at: PlanContext, agent: Any, outcome: Any) -> Any:
    """Restart an agent at a limit as after a crash."""
    assert at.policy is not None
    return restarts._retry(at, agent, outcome, at.policy)


def _stray_is_in_the_way(at: PlanContext, agent: str) -> bool:
    """Take an agent for one that does not start while a pod of an earlier attempt is there."""
    return _wants(at, agent) and not at.former_pods(agent)


def _charged_free(at: PlanContext, agent: Any, outcome: Any) -> Any:
    """Restart an agent at a limit as after any other temporary failure."""
    reserved = restarts.reserve(at, agent, known(outcome), Charge.FREE)
    return restarts._cooled(at, agent, known(outcome), lambda: reserved)


def _limited_anyway(outcome: Any, _: Any) -> Any:
    """Take every failure for an end at a limit."""
    failed = known(outcome) in (Reason.TEMPORARY, Reason.EXITED_NONZERO)
    return outcome.model_copy(update={"reason": Reason.PROVIDER_LIMITED}) if failed else outcome


def _words_only(at: PlanContext, agent: Any, state: Any) -> bool:
    """Leave a limit out that is reported after the agent's end is on record."""
    report = at.report(agent.name)
    return bool(report and (report.result or report.parked)) and _spoke_since(at, agent, state)


LIMITING: tuple[Mutant, ...] = (
    Mutant(
        "provider-ignored",
        "an agent starts although its provider does not admit it",
        ("provider-paused",),
        lambda: [(starts, "hold", lambda *_: None)],
    ),
    Mutant(
        "held-before-creation-only",
        "a provider that closes after a pod was created does not hold its start",
        ("provider-paused",),
        lambda: agent_rule("starting", _hold_creations),
    ),
    Mutant(
        "held-after-creation-only",
        "a pod is created although its provider does not admit the agent",
        ("provider-paused",),
        lambda: agent_rule("starting", _hold_starts),
    ),
    Mutant(
        "limited-starts-again",
        "an agent that has met the limit does not wait for its provider",
        ("provider-crash",),
        lambda: [(starts, "hold", _hold_first_attempts)],
    ),
    Mutant(
        "adopted-is-started",
        "the provider is not asked about an agent whose gated pod is on record",
        ("provider-crash",),
        lambda: [(starts, "_wants", _unadopted_wants)],
    ),
    Mutant(
        "stray-is-in-the-way",
        "the provider is not asked about an agent while there is a stray pod of an earlier attempt (finding 16)",
        ("provider-stray",),
        lambda: [(starts, "_wants", _stray_is_in_the_way)],
    ),
    Mutant(
        "limited-is-charged",
        "an end at a limit costs a restart of the budget",
        ("provider-crash",),
        lambda: [(restarts, "_retry_free", _charged)],
    ),
    Mutant(
        "limited-costs-a-free-restart",
        "an end at a limit costs a free restart",
        ("provider-crash",),
        lambda: [(restarts, "_retry_free", _charged_free)],
    ),
    Mutant(
        "limit-is-temporary",
        "an end at a limit is a temporary failure like any other",
        ("provider-crash",),
        lambda: [(context, "limited", lambda outcome, _: outcome)],
    ),
    Mutant(
        "every-end-is-limited",
        "a crash counts as an end at a limit, and is not charged",
        ("provider-crash",),
        lambda: [(context, "limited", _limited_anyway)],
    ),
    Mutant(
        "late-limit-ignored",
        "a limit that is reported after the agent's end is on record does not count (finding 15)",
        ("provider-helper",),
        lambda: [(agent_end, "spoke_since", _words_only)],
    ),
    Mutant(
        "limited-for-ever",
        "restarts after limits cost nothing, however often an agent meets one",
        ("provider-limits",),
        lambda: [(restarts, "limited_left", lambda *_: 1)],
    ),
    Mutant(
        "held-for-ever",
        "an agent that waits for its provider is not looked at again",
        ("provider-paused",),
        lambda: [(starts, "hold", _hold_unchecked)],
    ),
)
