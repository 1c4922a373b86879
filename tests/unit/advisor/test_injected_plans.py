"""Prompt injections through the whole path: request, a model that obeys, gate, record, plan.

The plan does only what the rules want.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from controller.adapter.contract import Ended, Reply, Request
from controller.advisor.advice_record import advice_of
from controller.advisor.prompt import build, target_of
from controller.api.advice import AdviceVerdict
from controller.api.llm_policy import LLM, LLMMode
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.plan import Snapshot, plan
from controller.plan.actions import Consult, Transition
from controller.plan.context import PlanContext
from controller.plan.snapshot import ConsultationFacts
from controller.plan.transitions import apply
from tests.injections import Injection, beside, injections, snapshot_with
from tests.no_widening import next_in_pass, widened
from tests.unit.advisor.obedient import answers
from tests.unit.plan.generated import NOW

ALL = tuple(injections())
FEW = 2
"""Answers of each injection that are tried even if another injection has given them before."""

ROUNDS = 6
"""Steps of one pass, more than any of these needs: consult, answer, record, then the steps that follow."""


def _with_mode(snapshot: Snapshot, mode: LLMMode) -> Snapshot:
    spec = (snapshot.policy.spec if snapshot.policy else RunPolicySpec()).model_copy(update={"llm": LLM(mode=mode)})
    return replace(snapshot, policy=ResolvedPolicy.of("default", spec), mode=mode, advisor=True)


def _passes(snapshot: Snapshot, injection: Injection, output: bytes) -> Iterator[Snapshot]:
    """Yield the snapshots of a pass in which the advisor gives this answer to every question."""

    def answer(asked: Consult) -> ConsultationFacts:
        reply = Reply(Ended.ANSWERED, output)
        advice = advice_of(reply, _request(injection), asked.consultation, target_of(snapshot.run), NOW)
        return ConsultationFacts(asked.agent, asked.escalation, advice)

    yield snapshot
    for _ in range(ROUNDS - 1):
        after = next_in_pass(snapshot, NOW, answer)
        if after is None:
            return
        snapshot = after
        yield snapshot


@cache
def _request(injection: Injection) -> Request:
    """Return the request, which does not depend on the mode; it is cached because it is expensive to build."""
    action = next(a for seen in _passes_to_the_question(injection) for a in plan(seen, NOW).actions if isinstance(a, Consult))
    return build(PlanContext(snapshot_with(injection), NOW), action.agent, action.consultation, beside(injection, "log"))


def _passes_to_the_question(injection: Injection) -> Iterator[Snapshot]:
    snapshot = _with_mode(snapshot_with(injection), LLMMode.AUTO)
    for _ in range(ROUNDS):
        yield snapshot
        changes = [action for action in plan(snapshot, NOW).actions if isinstance(action, Transition)]
        snapshot = replace(snapshot, state=apply(snapshot, changes[0], NOW)) if changes else snapshot


@cache
def _verdicts(mode: LLMMode) -> Counter[AdviceVerdict]:
    """Play every injection and count the gate's verdicts; no answer may widen the plan."""
    found: Counter[AdviceVerdict] = Counter()
    tried: set[bytes] = set()
    for injection in ALL:
        snapshot = _with_mode(snapshot_with(injection), mode)
        said = list(answers(injection.text))
        # Every injection is played, and each distinct answer that any of them asks for is tried once.
        for output in dict.fromkeys((*said[:FEW], *(o for o in said if o not in tried))):
            tried.add(output)
            for seen in _passes(snapshot, injection, output):
                assert not widened(seen, NOW), (injection.name, output)
            agents = seen.state.agents.values() if seen.state else ()
            found.update(advice.verdict for agent in agents for advice in agent.advice)
    return found


@pytest.mark.parametrize("mode", [LLMMode.ASSIST, LLMMode.AUTO])
def test_no_injection_widens(mode: LLMMode) -> None:
    """Each action is one of the rules', for any answer that a brief, a log or a name makes the model give.

    Some answers are accepted, most are rejected.
    """
    found = _verdicts(mode)
    assert found[AdviceVerdict.REFUSED] > found[AdviceVerdict.ACCEPTED] > 0
