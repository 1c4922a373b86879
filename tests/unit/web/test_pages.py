"""The inbox, policies, limits and fleet: their figures, their empty states, and what a caller may not see."""

from __future__ import annotations

from datetime import timedelta

from controller.api.base import dump
from controller.api.policy import RunPolicySpec
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.reason_text import sentence
from controller.cli.web.pages.fleet_page import fleet_page
from controller.cli.web.pages.inbox_page import CARDS, inbox_page
from controller.cli.web.pages.limits_page import limits_page
from controller.cli.web.pages.policies_page import policies_page, values_of
from controller.cli.web.pages.run_figures import RunFigures, figures_of
from tests.unit.rw.stories import NAMES, NOW, escalation, story
from tests.unit.web.rendering import duplicates, links, read, render

DENIED = (Denied("bob", "list", "escalations.runwatchman.dev", "team-a"),)


def figures(
    phase: str = "Running", reason: str = "", policy: str = "p", namespace: str = "a", hours: float | None = None
) -> RunFigures:
    """Return the figures of a Run that ended some hours ago."""
    return RunFigures(
        namespace, phase, reason, policy, phase != "Queued", NOW - timedelta(hours=hours) if hours is not None else None, 10
    )


def halt(namespace: str, reason: str = "a leak") -> JsonObject:
    meta = {"name": "halt", "creationTimestamp": "2026-01-01T11:00:00Z"} | ({"namespace": namespace} if namespace else {})
    return {"metadata": meta, "spec": {"by": "alice", "reason": reason}}


def policy(name: str = "p", **spec: object) -> JsonObject:
    return {"metadata": {"name": name, "namespace": "a"}, "spec": spec}


def test_inbox_shows_the_oldest_first_and_the_answered_last() -> None:
    """Cards come in the order of `kubectl rw inbox`; an answered one has its result and no form."""
    found = [each for name in NAMES for each in story(name).around.escalations]
    page = inbox_page(found, (), {"alice"}, (), NOW)
    html = read(render("inbox_live.html", page))
    assert [card.asked for card in page.waiting] == sorted(card.asked for card in page.waiting if card.asked)
    assert [card.result for card in page.recent] == ["its cause is gone (bob: Wait (the registry is coming back))"]
    assert sum(tag == "form" for tag, _ in html.tags) == len(page.waiting)
    assert duplicates(html) == []


def test_each_kind_has_its_buttons() -> None:
    """A question has its options and a text, an approval and a block have decisions with their effects."""
    cards = [
        escalation("q", "Question", options=["a", "b"]),
        escalation("p", "Approval"),
        escalation("b", "Blocked", options=["Retry", "Stop"]),
    ]
    page = inbox_page(cards, (), (), (), NOW)
    choices = {card.name: [(choice.decision, choice.label) for choice in card.choices] for card in page.waiting}
    assert choices == {
        "q": [("answer", "a"), ("answer", "b")],
        "p": [("approve", "Approve"), ("deny", "Deny")],
        "b": [("retry", "Retry"), ("fail", "Stop")],
    }
    text = read(render("inbox_live.html", page)).text
    assert "one more attempt, not charged" in text
    assert "the Run fails" in text


def test_question_without_a_policy_says_why_nobody_may_answer() -> None:
    """It has no form, and names the condition to look at."""
    page = inbox_page([escalation("q", "Question", responders=None) | {"status": {}}], (), (), (), NOW)
    html = render("inbox_live.html", page)
    assert "no RunPolicy is in force" in html
    assert "<form" not in html


def test_long_inbox_is_cut() -> None:
    """The oldest are shown, and the number of the others."""
    page = inbox_page([escalation(f"q{at}", "Question") for at in range(CARDS + 7)], (), (), DENIED, NOW)
    text = read(render("inbox_live.html", page)).text
    assert "7 more are not shown" in text
    assert "57 wait for an answer" in text
    assert "bob may not list escalations.runwatchman.dev in namespace team-a" in text


def test_empty_pages_say_what_to_do() -> None:
    """Each empty page has a next step."""
    assert "Nothing waits for an answer." in render("inbox_live.html", inbox_page((), (), (), (), NOW))
    assert "kubectl apply" in render("policies_live.html", policies_page((), (), ()))
    assert "Nothing is halted." in render("limits_live.html", limits_page((), (), (), (), (), NOW))
    assert "kubectl rw run" in render("fleet_live.html", fleet_page((), (), sentence, (), NOW))


def test_policy_shows_where_each_value_comes_from() -> None:
    """Every field of the resolved policy is there; those that the RunPolicy sets come first."""
    values, problem = values_of({"restartBudget": 7, "health": {"progressStalledSeconds": 900}})
    assert problem == ""
    assert [(value.path, value.value) for value in values if value.set] == [
        ("restartBudget", "7"),
        ("health.progressStalledSeconds", "900"),
    ]
    assert all(value.meaning for value in values if "." not in value.path)
    assert {value.path.partition(".")[0] for value in values} == set(dump(RunPolicySpec()))
    page = policies_page([policy(restartBudget=7)], [figures(), figures(policy="operator-policy-file")], DENIED)
    text = read(render("policies_live.html", page)).text
    assert "1 live of 1 Run" in text
    assert "operator-policy-file: 1 Run" in text


def test_policy_that_cannot_be_read_names_the_field() -> None:
    """The page says what is wrong, and which values are in force meanwhile."""
    page = policies_page([policy(restartBudget="many")], (), ())
    text = read(render("policies_live.html", page)).text
    assert "this RunPolicy cannot be read: spec.restartBudget: must be a whole number" in text
    assert "(found 'many')" in text
    assert "Its Runs keep the values that were in force" in text


def test_limits_name_halts_and_slots() -> None:
    """A halt says who, why, since when and how many Runs it holds; a policy's slots are counted."""
    runs = [figures("Halted", "Halted"), figures("Halted", "Halted", namespace="b"), figures(), figures("Queued", "MaxActiveRuns")]
    page = limits_page([halt("b"), halt("")], (), runs, [policy(maxActiveRuns=1)], (), NOW)
    assert [(one.place, one.runs) for one in page.halts] == [("the cluster", 2), ("namespace b", 1)]
    assert page.namespaces == ("a",)
    (slots,) = page.slots
    assert (slots.active, slots.limit, slots.queued) == (1, 1, 1)
    html = read(render("limits_live.html", page))
    assert "Namespace b is halted a leak by alice since 2026-01-01 11:00:00 UTC ( 60m ago) holds 1 Run " in html.text
    assert {"/limits/lift?namespace=", "/limits/lift?namespace=b", "/limits/halt", "/limits/halt?namespace="} <= links(html)


def test_providers_say_why_and_until_when() -> None:
    """A closed one comes first, with the agent's words and the time of the next try; budgets show their use."""
    budgets = [{"name": "team", "window": "Day", "tokens": 1000}, {"name": "money", "window": "Month", "costMicroUSD": 50_000_000}]
    opened = {"metadata": {"name": "a", "namespace": "x"}, "spec": {"maxActiveAgents": 4, "budgets": budgets}}
    used = {"budget": "team", "tokens": 900, "extraTokens": 200, "end": "2026-01-02T00:00:00Z", "spentAt": "2026-01-01T11:00:00Z"}
    opened["status"] = {"state": "Open", "activeAgents": 3, "waitingAgents": 2, "windows": [used]}
    by = {"run": "r", "agent": "coder", "attempt": 1}
    closed: JsonObject = {"metadata": {"name": "z", "namespace": "x"}, "spec": {}}
    closed["status"] = {
        "state": "Closed",
        "reason": "Quota",
        "message": "<b>limit</b>",
        "closedUntil": "2026-01-01T12:30:00Z",
        "closedBy": by,
    }
    page = limits_page((), [opened, closed], (), (), (), NOW)
    assert [card.name for card in page.providers] == ["z", "a"]
    assert [(one.words, one.percent) for one in page.providers[1].windows] == [
        ("900 of 1,200 tokens", 75),
        ("0.00 of 50.00 USD", 0),
    ]
    text = read(render("limits_live.html", page)).text
    assert "tried again in 30m" in text
    assert "Quota: <b>limit</b> (agent coder of Run r)" in text
    assert "3 of 4 active 2 waiting" in text


def test_a_budgets_question_names_its_provider() -> None:
    """It links to the limits, and says what an answer does."""
    page = inbox_page([escalation("m", "Budget", runName="openai", agent=None)], (), (), (), NOW)
    html = read(render("inbox_live.html", page))
    assert "provider openai , namespace default" in html.text
    assert "the budget gets more until its window ends" in html.text
    assert not any(link.startswith("/runs/") for link in links(html))


def test_fleet_counts() -> None:
    """Throughput by the hour, failures by reason with their sentence, and how long people take."""
    runs = [figures("Completed", hours=0.5), figures("Failed", "QuestionTimeout", hours=3), figures("Stopped", hours=30), figures()]
    answered = escalation("q", "Question") | {"status": {"phase": "Answered", "answeredAt": "2026-01-01T11:10:00Z"}}
    page = fleet_page(runs, [answered, escalation("o", "Blocked")], sentence, (), NOW)
    assert sum(hour.completed for hour in page.hours) == 1
    assert [(share.name, share.number) for share in page.failures] == [("QuestionTimeout", 1)]
    assert page.failures[0].meaning
    assert (page.waiting.open, page.waiting.answered, page.waiting.median) == (1, 1, timedelta(minutes=10))
    text = read(render("fleet_live.html", page)).text
    assert "half of them within 10m" in text


def test_figures_of_a_new_run() -> None:
    """A Run that the operator has not seen counts as Pending."""
    assert figures_of(story("unseen").run)[1:4] == ("Pending", "", "")
    assert figures_of(story("completed").run).ended
