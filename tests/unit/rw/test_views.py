"""The plugin's exact output for each story: for a narrow terminal, a wide one, and a pipe.

`UPDATE_GOLDEN=1` writes the texts; read them before you commit them.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from rich.text import Text

from controller.cli.rw.describe_view import describe_run
from controller.cli.rw.explain_document import document
from controller.cli.rw.explain_model import explain_run
from controller.cli.rw.explain_view import explained
from controller.cli.rw.get_view import by_run, runs_table, summary
from controller.cli.rw.inbox_view import in_full, inbox_table
from controller.cli.rw.objects import JsonObject, oldest_first
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.session import Session
from tests.unit.rw.stories import CASES, NAMES, NOW, Story, story

WIDTHS = {"narrow": 72, "wide": 130, "pipe": None}


def golden(name: str, text: Text) -> None:
    """Compare a text with its golden file."""
    path = CASES.parent / "golden" / f"{name}.txt"
    found = "\n".join(line.rstrip() for line in text.plain.splitlines()) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text(), name


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_describe(name: str, width: str) -> None:
    """The full description of a Run."""
    told = story(name)
    golden(f"describe-{name}-{width}", describe_run(told.run, told.around, sentence, NOW, WIDTHS[width]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_explain(name: str, width: str) -> None:
    """The reason for a Run's state, and its next steps."""
    told = story(name)
    found = explain_run(told.run, told.around, NOW)
    golden(f"explain-{name}-{width}", explained(found, Session().command, NOW, WIDTHS[width]))


@pytest.mark.parametrize("width", WIDTHS)
def test_get(width: str) -> None:
    """One table of every story's Run, with texts from the agents' reports."""
    told = [story(name) for name in NAMES]
    reports = by_run(report for one in told for report in one.around.reports)
    runs = [one.run for one in told]
    golden(f"get-{width}", runs_table(runs, reports, NOW, WIDTHS[width], spaces=False, wide=False))
    golden(f"get-all-wide-{width}", runs_table(runs, reports, NOW, WIDTHS[width], spaces=True, wide=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_inbox(width: str) -> None:
    """The open escalations, oldest first, without answered ones; the view marks those that the caller may answer."""
    waiting = oldest_first(escalation for name in NAMES for escalation in story(name).around.escalations)
    golden(f"inbox-{width}", inbox_table(waiting, {"alice"}, NOW, WIDTHS[width], spaces=False))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("name", "index"), [("asking", 0), ("blocked", 0), ("blocked", 1)])
def test_one_escalation(name: str, index: int, width: str) -> None:
    """All fields of an escalation; for a closed one its result too."""
    escalation = story(name).around.escalations[index]
    golden(f"escalation-{name}-{index}-{width}", in_full(escalation, {"oncall"}, NOW, WIDTHS[width]))


def test_no_line_is_wider_than_a_terminal() -> None:
    """At 130 columns no line is longer, for any content."""
    views: dict[str, Callable[[Story], Text]] = {
        "describe": lambda told: describe_run(told.run, told.around, sentence, NOW, 130),
        "explain": lambda told: explained(explain_run(told.run, told.around, NOW), Session().command, NOW, 130),
    }
    for name in NAMES:
        for what, view in views.items():
            assert max(len(line) for line in view(story(name)).plain.splitlines()) <= 130, (name, what)


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ({"name": "alice", "checked": True}, "alice"),
        ({"name": "alice", "checked": False}, "alice (unchecked)"),
        (None, "alice (not processed yet)"),
    ],
    ids=["checked", "unchecked", "before the operator has seen it"],
)
def test_the_requester_is_shown(seen: JsonObject | None, shown: str) -> None:
    """`describe` and `get -o wide` say who asked for a Run, and whether anybody has checked that."""
    told = story("blocked")
    told.run["spec"]["requestedBy"] = "alice"
    told.run["status"] |= {"requestedBy": seen} if seen else {}
    described = describe_run(told.run, told.around, sentence, NOW, 130).plain
    assert f"Requested by:  {shown}\n" in described
    (line,) = runs_table([told.run], {}, NOW, None, spaces=False, wide=True).plain.splitlines()[1:]
    assert f"  {shown}  " in line


def test_equal_failures_are_counted_for_people() -> None:
    """`describe` and `explain` say how often the last failure came in a row, and what the policy does about it."""
    told = story("blocked")
    told.run["status"]["agents"][0]["repeatedFailures"] = 2
    assert told.around.policy
    told.around.policy["spec"]["repeatedFailures"] = {"count": 2}
    described = describe_run(told.run, told.around, sentence, NOW, 130).plain
    explanation = explain_run(told.run, told.around, NOW)
    assert "coder failed in the same way 2 times in a row" in described
    text = explained(explanation, Session().command, NOW, 130).plain
    assert "coder has failed in the same way 2 times in a row" in text
    assert "a human is asked at the same failure 2 times in a row (repeatedFailures)" in text
    assert document(explanation)["agents"][0]["repeatedFailures"] == 2


def test_summary_counts_phases() -> None:
    """The most frequent phase comes first."""
    assert summary([story(name).run for name in NAMES]).startswith("8 Runs: 2 Blocked, ")
    assert summary([story("unseen").run]) == "1 Run: 1 Pending"
