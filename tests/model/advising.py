"""Mutants of the guards that keep advice from widening a plan: each check of the authority table and of the record, switched
off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.plan.attempts import restarts
from controller.plan.attempts.budget import budget_left
from controller.plan.context import PlanContext
from controller.plan.decisions import AgentDecision
from controller.plan.escalations import approval_policy, approvals, consultation
from tests.model.mutant import Mutant

_agrees, _ask, _cooled, _advice = approval_policy.agrees, consultation.ask, restarts._cooled, PlanContext.advice


def _said(advice: AdviceState | None, **changes: Any) -> AdviceState | None:
    return advice.model_copy(update=changes) if advice and advice.verdict is AdviceVerdict.ACCEPTED else advice


def _whatever_confidence(llm: Any, wanted: Any, advice: AdviceState | None) -> bool:
    return _agrees(llm, wanted, _said(advice, confidence_percent=100))


def _whoever_it_wants(llm: Any, wanted: Any, advice: AdviceState | None) -> bool:
    return _agrees(llm, wanted, _said(advice, needs_human=False))


def _whatever_intent(llm: Any, wanted: Any, advice: AdviceState | None) -> bool:
    return _agrees(llm, wanted, _said(advice, intent=AdvisedIntent(approval_policy.WANTED[wanted])))


def _whatever_verdict(llm: Any, wanted: Any, advice: AdviceState | None) -> bool:
    yes = {"verdict": AdviceVerdict.ACCEPTED, "intent": AdvisedIntent(approval_policy.WANTED[wanted]), "confidence_percent": 100}
    return _agrees(llm, wanted, advice.model_copy(update=yes) if advice and advice.intent is None else advice)


def _any_advice(self: PlanContext, agent: str, situation: str) -> AdviceState | None:
    """Return the latest advice about the agent, even if it is about another situation."""
    return _advice(self, agent, situation) or next(iter(self.agent_state(agent).advice[-1:]), None)


def _a_siblings(self: PlanContext, agent: str, situation: str) -> AdviceState | None:
    everything = [a for state in (self.state.agents.values() if self.state else ()) for a in state.advice]
    return _advice(self, agent, situation) or next(iter(everything), None)


def _without_waiting(at: PlanContext, agent: str, matter: Any) -> AgentDecision | None:
    move = _ask(at, agent, matter)
    return move if move and move.actions else None


def _again_and_again(at: PlanContext, agent: str, matter: Any) -> AgentDecision | None:
    return _ask(PlanContext(replace(at.snapshot, consultations=()), at.now), agent, matter)


def _agreed(at: PlanContext, agent: str) -> bool:
    said = [*at.agent_state(agent).advice, *(c.advice for c in at.snapshot.consultations if c.advice)]
    return any(a.intent == "auto_restart" for a in said)


def _one_more(at: PlanContext, agent: str, policy: Any) -> int:
    return budget_left(at, agent, policy) + _agreed(at, agent)


def _at_once(at: PlanContext, agent: Any, reason: Any, then: Any) -> AgentDecision:
    return then() if _agreed(at, agent.name) else _cooled(at, agent, reason, then)


ADVISING: tuple[Mutant, ...] = (
    Mutant(
        "advice-unsure",
        "agreement counts, however unsure",
        ("advised",),
        lambda: [(approval_policy, "agrees", _whatever_confidence)],
    ),
    Mutant(
        "advice-human",
        "agreement counts although a human is wanted",
        ("advised",),
        lambda: [(approval_policy, "agrees", _whoever_it_wants)],
    ),
    Mutant(
        "advice-intent", "any advice counts as agreement", ("advised",), lambda: [(approval_policy, "agrees", _whatever_intent)]
    ),
    Mutant(
        "advice-verdict",
        "an answer that was refused or never came counts as agreement",
        ("advised",),
        lambda: [(approval_policy, "agrees", _whatever_verdict), (approval_policy, "_failed", lambda _: False)],
    ),
    Mutant(
        "advice-refused",
        "an answer that the gate refused is taken for a failure, which onFailure Rules lets pass",
        ("advised-rules",),
        lambda: [(approval_policy, "_failed", approval_policy._missing)],
    ),
    Mutant(
        "advice-absent",
        "without an advisor the rules continue, for any value of onFailure",
        ("advised",),
        lambda: [(approval_policy, "_fails", lambda *_: False)],
    ),
    Mutant(
        "advice-old",
        "advice about one situation counts for the next",
        ("advised-again",),
        lambda: [(PlanContext, "advice", _any_advice)],
    ),
    Mutant(
        "advice-of-a-sibling",
        "advice about one agent counts for another",
        ("advised-sibling",),
        lambda: [(PlanContext, "advice", _a_siblings)],
    ),
    Mutant(
        "advice-not-awaited",
        "the action of the rules is done while the advisor thinks",
        ("advised-rules",),
        lambda: [(consultation, "ask", _without_waiting)],
    ),
    Mutant(
        "advice-again",
        "the advisor is asked repeatedly",
        ("advised",),
        lambda: [(consultation, "ask", _again_and_again)],
    ),
    Mutant(
        "advice-over-denial",
        "an advisor overrules a human's denial",
        ("advised-dismissed",),
        lambda: [(approvals, "_denial_stands", lambda *_: False)],
    ),
    Mutant(
        "advice-for-budget",
        "agreement gives one restart more than the budget",
        ("advised-budget",),
        lambda: [(restarts, "budget_left", _one_more)],
    ),
    Mutant(
        "advice-for-cooldown",
        "agreement spares the cooldown",
        ("advised-cooldown",),
        lambda: [(restarts, "_cooled", _at_once)],
    ),
)
