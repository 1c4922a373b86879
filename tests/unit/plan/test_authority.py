"""The deciding party: every cell of the table of modes. No advice makes the operator do more than the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.llm_policy import LLM, Approvable, LLMMode, OnLLMFailure
from controller.api.resolved_policy import ResolvedPolicy
from controller.plan import Snapshot, plan
from controller.plan.actions import Consult, RecordAdvice
from controller.plan.escalations.approval_policy import needs_human
from controller.plan.intents import Intent
from controller.plan.snapshot import ConsultationFacts
from controller.plan.transitions import apply
from tests.no_widening import next_in_pass, widened
from tests.unit.plan.generated import NOW, situations

OFF, ASSIST, AUTO = LLMMode.OFF, LLMMode.ASSIST, LLMMode.AUTO
RESTART, STOP = Approvable.RESTART, Approvable.STOP_STALE
LISTED, UNLISTED = LLM(mode=ASSIST), LLM(mode=ASSIST, require_approval=())
ESCALATES = OnLLMFailure.ESCALATE
DO, ASK = False, True


def advice(verdict: AdviceVerdict = AdviceVerdict.ACCEPTED, intent: AdvisedIntent | None = None, **fields: object) -> AdviceState:
    """Return a consultation's record."""
    given = {"situation": "s", "reason": "x", "at": datetime(2026, 1, 1, tzinfo=UTC), **fields}
    return AdviceState.model_validate({"verdict": verdict, "intent": intent, **given})


def says(intent: AdvisedIntent, sure: int = 60, *, human: bool = False) -> AdviceState:
    """Return accepted advice."""
    return advice(AdviceVerdict.ACCEPTED, intent, confidence_percent=sure, needs_human=human)


YES = {RESTART: says(AdvisedIntent.AUTO_RESTART), STOP: says(AdvisedIntent.AUTO_STOP_STALE)}
OTHER = {RESTART: says(AdvisedIntent.AUTO_STOP_STALE), STOP: says(AdvisedIntent.AUTO_RESTART)}
UNSURE = {
    RESTART: says(AdvisedIntent.AUTO_RESTART, 59),
    STOP: says(AdvisedIntent.AUTO_STOP_STALE, 59),
}
HUMAN = {
    RESTART: says(AdvisedIntent.AUTO_RESTART, 100, human=True),
    STOP: says(AdvisedIntent.AUTO_STOP_STALE, 100, human=True),
}
NO = says(AdvisedIntent.NOOP, 100)
BLOCKED, GUIDANCE = says(AdvisedIntent.ESCALATE_BLOCKED, 100), says(AdvisedIntent.ESCALATE_GUIDANCE, 100)
ABSTAINED, REFUSED = advice(AdviceVerdict.ABSTAINED), advice(AdviceVerdict.REFUSED)
GONE = advice(AdviceVerdict.UNAVAILABLE)

CELLS = [
    # The advice, then the result in Off, Assist if listed, Assist if not, Auto; then the same with onFailure Escalate.
    ("agrees", YES, (DO, ASK, DO, DO), (DO, ASK, DO, DO)),
    ("agrees, unsure", UNSURE, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("agrees, wants a human", HUMAN, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("something else disruptive", OTHER, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("noop", NO, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("escalate_blocked", BLOCKED, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("escalate_guidance", GUIDANCE, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("abstains", ABSTAINED, (DO, ASK, DO, ASK), (DO, ASK, DO, ASK)),
    ("was refused", REFUSED, (DO, ASK, DO, ASK), (DO, ASK, ASK, ASK)),
    ("was not to be had", GONE, (DO, ASK, DO, DO), (DO, ASK, ASK, ASK)),
    ("was not asked", None, (DO, ASK, DO, DO), (DO, ASK, ASK, ASK)),
]
COLUMNS = [(OFF, LISTED), (ASSIST, LISTED), (ASSIST, UNLISTED), (AUTO, LISTED)]


@pytest.mark.parametrize("wanted", Approvable)
@pytest.mark.parametrize(("said", "row", "escalating"), [cell[1:] for cell in CELLS], ids=[cell[0] for cell in CELLS])
def test_every_cell(
    said: dict[Approvable, AdviceState] | AdviceState | None,
    row: tuple[bool, ...],
    escalating: tuple[bool, ...],
    wanted: Approvable,
) -> None:
    """The table of modes: whether a human decides on an action of the rules, by mode, policy and advice."""
    heard = said[wanted] if isinstance(said, dict) else said
    assert tuple(needs_human(mode, llm, wanted, heard) for mode, llm in COLUMNS) == row
    asking = [(mode, llm.model_copy(update={"on_failure": ESCALATES})) for mode, llm in COLUMNS]
    assert tuple(needs_human(mode, llm, wanted, heard) for mode, llm in asking) == escalating


@pytest.mark.parametrize(("least", "sure", "human"), [(0, 0, DO), (100, 100, DO), (100, 99, ASK), (61, 60, ASK)])
def test_the_least_confidence(least: int, sure: int, human: bool) -> None:
    """A confidence of exactly minConfidencePercent is enough; one percent less is not."""
    llm = LLM(mode=AUTO, min_confidence_percent=least)
    assert needs_human(AUTO, llm, RESTART, says(AdvisedIntent.AUTO_RESTART, sure)) is human


ANSWERS = st.builds(
    advice,
    st.sampled_from(AdviceVerdict),
    st.sampled_from(AdvisedIntent),
    confidence_percent=st.integers(0, 100),
    needs_human=st.booleans(),
)
LLMS = st.builds(
    lambda listed, failure, least: LLM(
        mode=AUTO, require_approval=tuple(sorted(listed)), on_failure=failure, min_confidence_percent=least
    ),
    st.sets(st.sampled_from(Approvable)),
    st.sampled_from(OnLLMFailure),
    st.integers(0, 100),
)


def given_to(action: Consult, answer: AdviceState) -> ConsultationFacts:
    """Return the facts of a consultation that the advisor has answered."""
    return ConsultationFacts(action.agent, action.escalation, answer.model_copy(update={"situation": action.escalation}))


@settings(max_examples=100, deadline=None)  # `make model` checks the same of each state that it reaches (P6)
@given(situations(), st.sampled_from([ASSIST, AUTO]), LLMS, st.lists(ANSWERS, min_size=8, max_size=8))
def test_no_advice_widens(snapshot: Snapshot, mode: LLMMode, llm: LLM, answers: list[AdviceState]) -> None:
    """For any advice, each disruptive action is one that the rules alone would take in the same situation."""
    if snapshot.policy is not None:
        spec = snapshot.policy.spec.model_copy(update={"llm": llm})
        snapshot = replace(snapshot, policy=ResolvedPolicy.of("default", spec))
    snapshot = replace(snapshot, mode=mode, advisor=True)
    for answer in answers:
        assert not widened(snapshot, NOW)
        after = next_in_pass(snapshot, NOW, partial(given_to, answer=answer))
        if after is None:
            return
        snapshot = after


@settings(max_examples=200, deadline=None)
@given(situations(), ANSWERS)
def test_it_is_asked_once(snapshot: Snapshot, answer: AdviceState) -> None:
    """The advisor is never asked twice about a situation, never in mode Off, and never in a dry run."""
    asked: list[str] = []
    for _ in range(12):
        due = plan(snapshot, NOW).actions
        assert not (snapshot.mode is OFF and any(a.intent is Intent.CONSULT for a in due))
        assert not (snapshot.policy and snapshot.policy.spec.dry_run and any(a.intent is Intent.CONSULT for a in due))
        new = next((a for a in due if isinstance(a, Consult)), None)
        recorded = next((a for a in due if isinstance(a, RecordAdvice)), None)
        if recorded:
            snapshot = replace(snapshot, state=apply(snapshot, recorded, NOW), consultations=())
        elif new:
            asked.append(new.escalation)
            snapshot = replace(snapshot, consultations=(*snapshot.consultations, given_to(new, answer)))
        else:
            break
    assert len(asked) == len(set(asked))
