"""The advisor's state for people: the condition Advised, and the sentence in `kubectl rw explain`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.base import dump
from controller.api.llm_policy import LLM, LLMMode
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.cli.rw.advice import in_words
from controller.plan.snapshot import RunFacts, Snapshot
from controller.status.advised_condition import advised

AT = datetime(2026, 1, 1, tzinfo=UTC)


def said(verdict: AdviceVerdict, reason: str, second: int = 0, **fields: object) -> AdviceState:
    """Return a consultation's record."""
    common = {"situation": f"demo-coder-{second}", "command": "codex", "model": "m-1", "latency_milliseconds": 2100}
    return AdviceState.model_validate({"verdict": verdict, "reason": reason, "at": AT.replace(second=second), **common, **fields})


ACCEPTED = said(
    AdviceVerdict.ACCEPTED,
    "Accepted",
    intent=AdvisedIntent.AUTO_RESTART,
    confidence_percent=85,
    explanation="flaky network",
    diagnosis="a proxy drops connections",
)
REFUSED = said(AdviceVerdict.REFUSED, "OtherTarget", 1, message="target_run is 'x': it must be 'ns/demo'")
ABSTAINED = said(AdviceVerdict.ABSTAINED, "Abstained", 2)
UNAVAILABLE = said(AdviceVerdict.UNAVAILABLE, "AuthFailed", 3, message="log in again")


def situation(*advice: AdviceState, mode: LLMMode = LLMMode.AUTO, wanted: LLMMode | None = None, advisor: bool = True) -> Snapshot:
    """Return a Run whose one agent has this record."""
    state = OperatorState(run_uid="u", agents={"coder": AgentState(advice=advice)})
    policy = ResolvedPolicy.of("default", RunPolicySpec(llm=LLM(mode=wanted)))
    run = RunFacts("ns", "demo", "u", 1, RunSpec(agents=(Agent(name="coder", image="x"),)))
    return Snapshot(run=run, policy=policy, state=state, mode=mode, advisor=advisor)


@pytest.mark.parametrize(
    ("snapshot", "status", "reason", "words"),
    [
        (situation(mode=LLMMode.OFF, advisor=False), "False", "NoAdvisor", ""),
        (situation(mode=LLMMode.OFF, wanted=LLMMode.OFF, advisor=False), "False", "Off", ""),
        (situation(mode=LLMMode.OFF, wanted=LLMMode.OFF), "False", "Off", ""),
        (situation(), "Unknown", "NothingAsked", "mode Auto"),
        (situation(ACCEPTED), "True", "Accepted", "auto_restart (85 % sure): flaky network"),
        (situation(ACCEPTED, REFUSED), "False", "OtherTarget", "Refused (codex): target_run is"),
        (situation(ABSTAINED), "False", "Abstained", "Abstained (codex)"),
        (situation(UNAVAILABLE), "False", "AuthFailed", "log in again"),
    ],
)
def test_the_condition(snapshot: Snapshot, status: str, reason: str, words: str) -> None:
    """Each state of the advisor has its reason, and a message if it has words for this Run."""
    ((kind, found, why, message),) = advised(snapshot)
    assert (kind, found, why) == ("Advised", status, reason)
    assert words in message
    assert bool(words) == bool(message)


def test_the_newest_of_all_agents_counts() -> None:
    """A Run has one condition, from the newest consultation of all its agents."""
    snapshot = situation(ACCEPTED)
    assert snapshot.state
    agents = {**snapshot.state.agents, "tester": AgentState(advice=(UNAVAILABLE,))}
    snapshot = replace(snapshot, state=snapshot.state.model_copy(update={"agents": agents}))
    assert advised(snapshot)[0][2] == "AuthFailed"


def test_without_a_policy_there_is_no_mode() -> None:
    """Another condition reports a policy that cannot be read."""
    assert advised(replace(situation(), policy=None)) == ()


@pytest.mark.parametrize(
    ("advice", "sentence"),
    [
        (
            ACCEPTED,
            "advisor codex/m-1 says auto_restart (85 % sure): flaky network. Diagnosis: a proxy drops connections"
            " (accepted, 2.1 s)",
        ),
        (
            REFUSED,
            "advisor codex/m-1 gave an answer that was refused: OtherTarget: target_run is 'x': it must be 'ns/demo'",
        ),
        (ABSTAINED, "advisor codex/m-1 has no advice on this"),
        (UNAVAILABLE, "advisor codex/m-1 was unavailable: AuthFailed: log in again"),
    ],
)
def test_the_sentence(advice: AdviceState, sentence: str) -> None:
    """`explain` shows the advice, and why the gate accepted or rejected it."""
    assert in_words(dump(advice)) == sentence


def test_nothing_was_asked() -> None:
    """Without a consultation the sentence is absent."""
    assert in_words({}) == ""
