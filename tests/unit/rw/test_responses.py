"""The valid responses, how they are written, and the error messages."""

from __future__ import annotations

import pytest

from controller.cli.rw.responses import Wish, answer_text, check, how_to_answer
from controller.cli.rw.user_error import Problem, did_you_mean
from tests.unit.rw.stories import escalation

QUESTION = escalation("q", "Question", options=["Yes", "No"], suggestion={"text": "Yes", "advisor": "codex"})
OPEN_QUESTION = escalation("o", "Question")


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        (Wish("No"), "No"),
        (Wish("yES"), "Yes"),
        (Wish(option=2), "No"),
        (Wish(suggestion=True), "Yes"),
        (Wish("perhaps", free=True), "perhaps"),
    ],
)
def test_answers(wish: Wish, answer: str) -> None:
    """An option by its text in the agent's spelling, by its number, the suggestion, or free text if the command asks for it."""
    assert answer_text(QUESTION, wish) == answer


def test_any_text_answers_a_question_without_options() -> None:
    """Without options any text is a valid answer."""
    assert answer_text(OPEN_QUESTION, Wish("use  the\nsecond")) == "use  the\nsecond"


@pytest.mark.parametrize(
    ("asked", "wish", "words"),
    [
        (QUESTION, Wish("perhaps"), "'perhaps' is not one of the options; 1) Yes, 2) No; or use --free"),
        (QUESTION, Wish(option=3), "option 3 does not exist; 1) Yes, 2) No"),
        (QUESTION, Wish(option=0), "option 0 does not exist; 1) Yes, 2) No"),
        (QUESTION, Wish(), "an answer is missing; choose one of 1) Yes, 2) No, or --accept-suggestion"),
        (QUESTION, Wish("Yes", option=1), "exclude each other"),
        (OPEN_QUESTION, Wish(option=1), "option 1 does not exist; the question has no options: give a TEXT"),
        (OPEN_QUESTION, Wish(suggestion=True), "escalation o has no suggestion; give a TEXT"),
    ],
)
def test_refused_answers_list_what_may_be_said(asked: dict[str, object], wish: Wish, words: str) -> None:
    """Each refusal names the remedy."""
    with pytest.raises(Problem) as refused:
        answer_text(asked, wish)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("kind", "decision", "verbs"),
    [("Blocked", "Answer", "retry, wait, fail"), ("Approval", "Retry", "approve, deny"), ("Budget", "Retry", "approve, deny")],
)
def test_a_decision_of_another_type(kind: str, decision: str, verbs: str) -> None:
    """The commands that fit are named."""
    with pytest.raises(Problem, match=f"is of type {kind}; use {verbs}"):
        check(escalation("e", kind), decision)


@pytest.mark.parametrize(
    ("phase", "response", "words"),
    [
        ("Expired", None, "it expired before anybody answered"),
        ("Superseded", None, "the Run continued without an answer"),
        ("Delivered", {"decision": "Answer", "answer": "Yes", "by": "bob"}, "has reached the agent (bob: Answer: Yes)"),
        (
            "Open",
            {"decision": "Answer", "answer": "No", "by": "eve", "onBehalfOf": "bob"},
            "it was answered (eve for bob: Answer: No)",
        ),
        ("Later", None, "Later"),
    ],
)
def test_what_became_of_it(phase: str, response: dict[str, str] | None, words: str) -> None:
    """An escalation that is not open any more shows how it ended, and by whom."""
    found = escalation("e", "Question", **({"response": response} if response else {}))
    found["status"] = {"phase": phase}
    with pytest.raises(Problem) as refused:
        check(found, "Answer")
    assert words in refused.value.message


def test_how_to_answer_fits_the_type() -> None:
    """Every type has its commands; a question with options is answered by one."""
    assert how_to_answer(escalation("b", "Blocked")) == [("retry", "b"), ("wait", "b"), ("fail", "b")]
    assert how_to_answer(escalation("a", "Approval")) == [("approve", "a"), ("deny", "a")]
    assert how_to_answer(escalation("a", "Budget")) == [("approve", "a"), ("deny", "a")]
    assert how_to_answer(QUESTION) == [("answer", "q", "--option", "1"), ("answer", "q", "--accept-suggestion")]
    assert how_to_answer(OPEN_QUESTION) == [("answer", "o", "--", "TEXT")]


@pytest.mark.parametrize(
    ("wrong", "names", "words"),
    [
        ("helo", ["hello", "other"], "did you mean hello?"),
        ("xyz", ["b", "a"], "there are a, b"),
        ("xyz", [], ""),
        ("zzz", [f"run-{n:02}" for n in range(12)], "and 2 more"),
    ],
)
def test_did_you_mean(wrong: str, names: list[str], words: str) -> None:
    """The nearest names are suggested, otherwise a few of all."""
    assert words in did_you_mean(wrong, names)
