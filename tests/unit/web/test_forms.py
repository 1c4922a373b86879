"""The forms of pages: what a button stands for, and where a form may lead back to."""

from __future__ import annotations

import pytest

from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem
from controller.cli.web.acting import BACK
from controller.cli.web.pages.escalation_card import card
from controller.cli.web.responding import response_of
from tests.unit.rw.stories import NOW, escalation

QUESTION = escalation("q", "Question", options=["yes", "no"], suggestion={"text": "maybe", "advisor": "codex"})
BLOCKED, APPROVAL = escalation("b", "Blocked"), escalation("p", "Approval")


@pytest.mark.parametrize(
    ("asked", "form", "response"),
    [
        (QUESTION, {"choice": "option 2"}, {"decision": "Answer", "answer": "no"}),
        (QUESTION, {"choice": "suggestion"}, {"decision": "Answer", "answer": "maybe"}),
        (QUESTION, {"choice": "text", "answer": " a\r\nb "}, {"decision": "Answer", "answer": "a\nb"}),
        (QUESTION, {"choice": "option 1", "comment": " why "}, {"decision": "Answer", "answer": "yes", "comment": "why"}),
        (APPROVAL, {"choice": "approve", "comment": " "}, {"decision": "Approve"}),
        (APPROVAL, {"choice": "deny"}, {"decision": "Deny"}),
        (BLOCKED, {"choice": "retry"}, {"decision": "Retry"}),
        (BLOCKED, {"choice": "fail"}, {"decision": "Stop"}),
    ],
)
def test_a_button_is_a_response(asked: JsonObject, form: dict[str, str], response: JsonObject) -> None:
    """Each button of a card has one meaning."""
    assert response_of(asked, form) == response


@pytest.mark.parametrize(
    ("asked", "form", "words"),
    [
        (QUESTION, {"choice": "option 3"}, "option 3 does not exist"),
        (QUESTION, {"choice": "option 99999999999999999999"}, "option 999 does not exist"),
        (QUESTION, {"choice": "option -1"}, "an answer is missing"),
        (QUESTION, {"choice": "text", "answer": " \n"}, "an answer is missing"),
        (QUESTION, {}, "an answer is missing"),
        (QUESTION, {"choice": "approve"}, "is of type Question; use answer"),
        (APPROVAL, {"choice": "option 1"}, "is of type Approval; use approve, deny"),
        (escalation("n", "Question", responders=None), {"choice": "text", "answer": "x"}, "nobody may answer"),
        (escalation("o", "Question", response={"by": "bob", "decision": "Answer", "answer": "x"}), {}, "is no longer open"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(asked: JsonObject, form: dict[str, str], words: str) -> None:
    """A forged or outdated form changes nothing, and says why."""
    with pytest.raises(Problem, match=words):
        response_of(asked, form)


def test_each_button_of_a_card_is_known() -> None:
    """No card offers a decision that the server refuses."""
    for asked in (APPROVAL, BLOCKED, escalation("m", "Budget")):
        for choice in card(asked, None, (), NOW).choices:
            assert response_of(asked, {"choice": choice.decision})["decision"] == choice.label


@pytest.mark.parametrize(
    "path", ["//evil.example", "/runs/a/b/../../x", "https://evil.example/inbox", "/inbox\n", "/runs/a/b?x", ""]
)
def test_a_form_leads_back_to_a_page_of_ours(path: str) -> None:
    """Other addresses are ignored."""
    assert not BACK.fullmatch(path)
    assert BACK.fullmatch("/runs/team-a/migrate")
