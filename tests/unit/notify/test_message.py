"""The notifications that people get, and the attacks by agents' text that cannot work in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import EscalationType
from controller.api.notification import Notification, NotificationEvent
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.notify.message import BODY_LIMIT, TITLE_LIMIT, Level, answer_commands, finished, linked, opened, places_for

META = {"name": "demo-coder-7f3a", "namespace": "team", "uid": "e1"}


def escalation(**spec: object) -> JsonObject:
    told = {"runName": "demo", "runUID": "u1", "type": "Blocked", "summary": "coder: it failed", "text": "Cause: it failed"}
    return {"metadata": META, "spec": told | {"options": ["Retry", "Stop", "Wait"]} | spec}


def run(**status: object) -> JsonObject:
    told = {"phase": "Failed", "reason": "RequiredAgentFailed", "message": "agent coder failed"}
    told |= {"completionTime": "2026-01-01T00:00:00Z"}
    return {"metadata": {"name": "demo", "namespace": "team", "uid": "u1"}, "status": told | status}


def test_an_escalation_says_who_needs_what_and_how_to_answer() -> None:
    """The title names Run and situation; the body has text, options, and a command for each decision."""
    told = opened(escalation())
    assert (told.event, told.namespace, told.run, told.uid) == (NotificationEvent.ESCALATION_OPENED, "team", "demo", "u1")
    assert told.title == "runwatchman: team/demo needs you: coder: it failed"
    assert told.body == (
        "Cause: it failed\n\nOptions: Retry, Stop, Wait\n\n"
        "kubectl rw retry -n team demo-coder-7f3a\n"
        "kubectl rw fail -n team demo-coder-7f3a\n"
        "kubectl rw wait -n team demo-coder-7f3a"
    )


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (EscalationType.APPROVAL, (), ("kubectl rw approve -n team q", "kubectl rw deny -n team q")),
        (EscalationType.BUDGET, (), ("kubectl rw approve -n team q", "kubectl rw deny -n team q")),
        (EscalationType.QUESTION, (), ("kubectl rw answer -n team q -- 'YOUR ANSWER'",)),
        (EscalationType.QUESTION, ("A" * 1000, "@here", "no"), ("kubectl rw answer -n team q -- no",)),
        (EscalationType.BLOCKED, ("Retry", "$(id)"), ("kubectl rw retry -n team q",)),
        (EscalationType.QUESTION, ("yes; rm -rf /", "no"), ("kubectl rw answer -n team q -- 'yes; rm -rf /'",)),
        (EscalationType.QUESTION, ("--as=admin", "no"), ("kubectl rw answer -n team q -- --as=admin",)),
        (EscalationType.QUESTION, ("-", "a\nb", "'" * 100, "no"), ("kubectl rw answer -n team q -- no",)),
    ],
)
def test_commands(kind: EscalationType, options: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Each type has its command; an agent's option is quoted, so that a copied command runs no text of the agent's.

    An option that cannot be shown exactly is not offered: a command with it would send a different answer.
    """
    assert answer_commands(kind, "team", "q", options) == expected


def test_an_end_is_told_by_the_write_that_made_it() -> None:
    """A Run's end is reported when the completion time is new in a terminal phase; not by a later write, and not before the end."""
    told = finished(None, run())
    assert told is not None
    assert (told.event, told.level) == (NotificationEvent.RUN_FINISHED, Level.FAILURE)
    assert told.title == "runwatchman: team/demo Failed: RequiredAgentFailed"
    assert told.body == "Failed (RequiredAgentFailed): agent coder failed"
    assert finished("2026-01-01T00:00:00Z", run()) is None
    assert finished(None, run(phase="Stopping", completionTime=None)) is None
    assert finished(None, run(phase="Blocked")) is None


def test_an_end_tells_what_came_of_it() -> None:
    """The message has the summaries and outputs of the agents."""
    result = {"outcome": "Completed", "summary": "fixed it", "outputs": {"pr": "https://example.org/pr/1"}}
    agents = [{"name": "coder", "result": result}, {"name": "helper"}]
    told = finished(None, run(phase="Completed", reason="AllAgentsComplete", agents=agents))
    assert told is not None
    assert told.level is Level.SUCCESS
    assert told.body.endswith("\n\ncoder: fixed it\ncoder: pr = https://example.org/pr/1")


def test_text_of_agents_is_harmless_and_bounded() -> None:
    """The text mentions no user, controls no terminal, and adds no line to the title; the commands for the answer always fit."""
    hostile = "@everyone <!channel> <@U123> \x1b[2J\u202e x@y.org " + "A" * 100_000
    told = opened(escalation(text=hostile, summary=f"a\nb {hostile}", options=[f"Retry{'B' * 1000}"] * 16))
    for text in (told.title, told.body):
        for forbidden in ("@everyone", "<!", "<@", "\x1b", "\u202e"):
            assert forbidden not in text
    assert "x@y.org" in told.body
    assert "\n" not in told.title
    assert len(told.title) <= TITLE_LIMIT
    assert len(told.body) <= BODY_LIMIT
    asked = opened(escalation(type="Question", text=hostile, options=["'" * 160, "$(id) '" * 20]))
    assert asked.body.endswith("kubectl rw answer -n team demo-coder-7f3a -- 'YOUR ANSWER'")


def test_only_what_the_policy_wants() -> None:
    """A destination gets only the events that it names; without a policy no message is sent."""
    both = Notification(secret_name="both")
    ends = Notification(secret_name="ends", events=(NotificationEvent.RUN_FINISHED,))
    policy = ResolvedPolicy.of("p", RunPolicySpec(notifications=(both, ends)))
    assert places_for(policy, NotificationEvent.ESCALATION_OPENED) == (both,)
    assert places_for(policy, NotificationEvent.RUN_FINISHED) == (both, ends)
    assert places_for(None, NotificationEvent.RUN_FINISHED) == ()


DISCORD_LIMIT = 2000


def test_a_message_links_to_the_page_of_its_run_if_there_is_one() -> None:
    """The link is the last line, and even the longest message with the longest names keeps it where a service cuts."""
    message = opened(escalation(text="x" * 5000))
    assert linked(message, "") == message
    assert linked(message, "https://runs.example.com").body.splitlines()[-1] == "https://runs.example.com/runs/team/demo"
    longest = replace(message, namespace="n" * 63, run="r" * 63)
    assert len(linked(longest, "https://" + "h" * 120 + ".example:8443").body) <= DISCORD_LIMIT
