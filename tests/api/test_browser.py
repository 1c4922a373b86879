"""The page in a real Chromium, on the real API server with a real operator: answers, actions, hostile texts, accessibility."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from controller.api.base import JsonObject
from tests.browser.chromium import chromium, obstacles, overflow, person
from tests.cluster import Cluster
from tests.plugin import Plugin, report
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    get,
    items,
    policy_of,
    run_of,
    simulated,
    simulated_forever,
)
from tests.web_page import Tab, local_page

HOME, ELSEWHERE = "browser", "browser-written"
"""Namespaces: the operator's, and one whose objects the test writes by itself."""

HOSTILE = (
    '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'"><a href="javascript:alert(1)">x</a>'
    "\"' autofocus onfocus=alert(1) {{7*7}} \u202etxt.exe\u2066 \u2028 "
)
LONGEST = 16384
EXPIRY_SECONDS = 6


@dataclass(frozen=True)
class Stage:
    """A cluster with an operator, the page for its admin, and a browser."""

    cluster: Cluster
    operator: OperatorProcess
    tab: Tab
    browser: Browser

    def visitor(self, stack: ExitStack, **options: object) -> BrowserContext:
        """Return a browser's profile that is logged in."""
        context = stack.enter_context(person(self.browser, **options))  # type: ignore[arg-type]
        context.add_cookies([{"name": name, "value": value, "url": self.tab.origin} for name, value in self.tab.cookies.items()])
        return context

    def page(self, stack: ExitStack, path: str, **options: object) -> Page:
        """Open a page in a profile of its own."""
        found = self.visitor(stack, **options).new_page()
        found.goto(f"{self.tab.origin}{path}")
        return found

    def asks(self, run: str, policy: str = "default", **question: object) -> str:
        """Start a Run whose agent asks; return the name of the escalation."""
        apply(self.cluster, HOME, run_of(run, simulated("run-forever"), policyRef={"name": policy}))
        await_phase(self.cluster, HOME, run, "Running")
        plugin = Plugin(self.cluster, HOME)
        report(
            plugin, run, questions=[{"id": "q1", "text": "Ship it?", **question}], usage={"inputTokens": 12000, "outputTokens": 800}
        )
        asked = await_that(lambda: self._of(run), "the question")
        return str(asked[0]["metadata"]["name"])

    def _of(self, run: str) -> list[JsonObject]:
        return [each for each in items(self.cluster, HOME, "escalations") if each["spec"]["runName"] == run]

    def response(self, escalation: str) -> JsonObject:
        """Return the stored answer."""
        found: JsonObject = get(self.cluster, HOME, "escalation", escalation)["spec"].get("response", {})
        return found


@pytest.fixture(scope="module")
def stage(api_cluster: Cluster) -> Iterator[Stage]:
    """One cluster, one operator, one page and one browser for all tests here."""
    with ExitStack() as stack:
        for name in (HOME, ELSEWHERE):
            api_cluster.create_namespace(name)
            stack.callback(api_cluster.delete_namespace, name)
        apply(api_cluster, HOME, policy_of({"restartBudget": 1, "restartCooldownSeconds": 0, "maxActiveRuns": 50}))
        apply(api_cluster, HOME, policy_of({"questionTimeoutSeconds": EXPIRY_SECONDS}, "hasty"))
        operator = stack.enter_context(OperatorProcess(api_cluster, "--namespace", HOME))
        tab = stack.enter_context(local_page(api_cluster, "-A"))
        yield Stage(api_cluster, operator, tab, stack.enter_context(chromium()))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as opened:
        yield opened


def test_a_question_is_answered_and_the_agent_goes_on(stage: Stage, stack: ExitStack) -> None:
    """One click answers, in the name of the user; the open page of the Run shows that the agent works again, without a reload."""
    name = stage.asks("ships", options=["yes", "no"])
    run = stage.page(stack, f"/runs/{HOME}/ships")
    expect(run.locator("#run-why")).to_contain_text("AwaitingGuidance")
    inbox = stage.page(stack, "/inbox")
    card = inbox.locator(f"#escalation-{HOME}-{name}")
    card.get_by_label("Comment").fill("as in staging")
    card.get_by_role("button", name="yes").click()
    expect(inbox.get_by_text("Your response was sent.")).to_be_visible()
    assert stage.response(name) == {"decision": "Answer", "answer": "yes", "by": "admin", "comment": "as in staging"}

    def delivered() -> object:
        found = get(stage.cluster, HOME, "agentreport", "ships-coder")["spec"].get("deliveries")
        return found and found[0]["answer"] == "yes"

    await_that(delivered, "the answer in the agent's report")
    report(Plugin(stage.cluster, HOME), "ships", seq=2, questions=[], read=["q1"])
    expect(run.locator("#run-why .badge")).to_have_text("Running")
    expect(run.locator("#run-answered")).to_contain_text("admin: Answer: yes (as in staging)")
    expect(run.locator("#run-waiting")).to_have_count(0)


def test_two_tabs_answer_at_once(stage: Stage, stack: ExitStack) -> None:
    """The first answer counts. The other tab keeps what is typed in it, and says who was faster, with the text to copy."""
    name = stage.asks("races")
    first, second = (stage.page(stack, f"/runs/{HOME}/races") for _ in range(2))
    second.get_by_label("Your answer").fill("rather wait until Monday")
    first.get_by_label("Your answer").fill("go")
    first.get_by_role("button", name="Send your answer").click()
    expect(first.get_by_text("Your response was sent.")).to_be_visible()
    expect(second.locator("#run-answered")).to_be_attached()
    expect(second.get_by_label("Your answer")).to_have_value("rather wait until Monday")
    second.get_by_role("button", name="Send your answer").click()
    expect(second.get_by_role("heading", name="Nothing was changed")).to_be_visible()
    expect(second.get_by_role("alert")).to_contain_text("it was answered (admin: Answer: go)")
    expect(second.get_by_label("Your text", exact=True)).to_have_text("rather wait until Monday")
    assert stage.response(name)["answer"] == "go"


def test_actions_say_what_they_will_do(stage: Stage, stack: ExitStack) -> None:
    """Each action asks before, in words; done by keyboard alone, the Run follows, and its page shows the next actions."""
    apply(stage.cluster, HOME, simulated_forever("works"))
    await_phase(stage.cluster, HOME, "works", "Running")
    page = stage.page(stack, f"/runs/{HOME}/works")
    page.get_by_role("link", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pause Run works?")).to_be_visible()
    expect(page.get_by_text("coder is ended gracefully.")).to_be_visible()
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#run-why .badge")).to_have_text("Paused")
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#run-why .badge")).to_have_text("Running")
    page.get_by_role("link", name="Restart").click()
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("#run-lanes")).to_contain_text("coder r2")
    page.get_by_role("link", name="Run again").click()
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_role("heading", name="works-2")).to_be_visible()
    assert get(stage.cluster, HOME, "run", "works-2")["spec"]["requestedBy"] == "admin"
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_text("This is final")).to_be_visible()
    page.get_by_role("link", name="Do nothing").click()
    assert get(stage.cluster, HOME, "run", "works-2")["spec"].get("desiredState", "Running") == "Running"


def test_a_namespace_is_halted_and_lifted(stage: Stage, stack: ExitStack) -> None:
    """A halt needs a reason, which everybody sees on the page of limits; lifting it asks before, too."""
    page = stage.page(stack, f"/limits/halt?namespace={ELSEWHERE}")
    page.get_by_label("Reason").fill("a leaked key")
    page.get_by_role("button", name=f"Halt namespace {ELSEWHERE}").click()
    expect(page.get_by_text(f"Namespace {ELSEWHERE} is halted")).to_be_visible()
    expect(page.get_by_text("a leaked key")).to_be_visible()
    page.get_by_role("link", name=f"Lift the halt of namespace {ELSEWHERE}").click()
    page.get_by_role("button", name="Lift the halt").click()
    expect(page.get_by_text("Nothing is halted.")).to_be_visible()
    assert items(stage.cluster, ELSEWHERE, "halts") == []


def test_hostile_texts_stay_text(stage: Stage, stack: ExitStack) -> None:
    """No text of an agent, an advisor or a user runs, loads something, becomes a link, or hides others, on any page."""
    written(stage, HOSTILE)
    page = stage.visitor(stack).new_page()
    faults: list[str] = []
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(stage.tab.origin) else faults.append(request.url))
    for path in ("/", "/inbox", f"/runs/{ELSEWHERE}/hostile", "/policies", "/fleet", "/limits"):
        page.goto(f"{stage.tab.origin}{path}")
        expect(page.locator("main h1")).to_be_visible()
        text = page.locator("body").inner_text()
        assert not set("\u202e\u2066\u2028") & set(text), path
        assert page.locator("main :is(script, img, iframe), main [onerror], main [onfocus], main a[href^=javascript]").count() == 0
        assert "owned" not in page.title()
        assert overflow(page) == 0, path
    page.goto(f"{stage.tab.origin}/runs/{ELSEWHERE}/hostile")
    assert "<script>" in page.locator("#run-why").inner_text()
    assert len(page.locator("#run-facts pre").text_content() or "") == LONGEST
    assert faults == []


def written(stage: Stage, words: str) -> None:
    """Write a Run and a question in which everybody says this; no operator of ours acts on them."""
    long = (words * LONGEST)[:LONGEST]
    apply(stage.cluster, ELSEWHERE, run_of("hostile", brief=long))
    run = get(stage.cluster, ELSEWHERE, "run", "hostile")
    status = {
        "phase": "Blocked",
        "reason": words[:100],
        "message": words,
        "agents": [{"name": "coder", "health": "Dead", "message": words}],
    }
    patch = json.dumps({"status": status})
    stage.cluster.kubectl("-n", ELSEWHERE, "patch", "run", "hostile", "--subresource=status", "--type=merge", "-p", patch)
    about = {"runName": "hostile", "runUID": run["metadata"]["uid"], "agent": "coder", "responders": {}}
    for number, kind in enumerate(("Question", "Blocked", "Approval")):
        spec = {**about, "type": kind, "summary": words, "text": long, "suggestion": {"text": words, "advisor": words[:100]}}
        spec |= {"options": [words, "yes"]} if kind == "Question" else {"proposal": {"action": "stop_stale", "text": words}}
        meta = {"name": f"hostile-{number}", "labels": {"runwatchman.dev/run": "hostile"}}
        apply(
            stage.cluster,
            ELSEWHERE,
            {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Escalation", "metadata": meta, "spec": spec},
        )


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["wide and light", "phone and dark"])
def test_everybody_can_use_each_page(stage: Stage, stack: ExitStack, phone: bool, dark: bool) -> None:
    """Axe finds nothing against WCAG 2.2 AA, and nothing is wider than the window. (tests/browser has more stories.)"""
    if not get(stage.cluster, HOME, "run", "tried"):
        apply(stage.cluster, HOME, run_of("tried", simulated("fail"), tokenBudget=100000))
        await_phase(stage.cluster, HOME, "tried", "Blocked")
        stage.asks("wonders", options=["yes", "no"])
    page = stage.visitor(stack, phone=phone, dark=dark).new_page()
    paths = ["/", "/inbox", "/policies", "/limits", "/fleet", f"/runs/{HOME}/tried", f"/runs/{HOME}/wonders", f"/runs/{HOME}/none"]
    paths += [f"/runs/{HOME}/wonders/restart", "/limits/halt?namespace=", f"/?namespace={HOME}-none"]
    found = {}
    for path in paths:
        page.goto(f"{stage.tab.origin}{path}")
        found[path] = (obstacles(page), overflow(page))
    assert {path: wrong for path, wrong in found.items() if wrong != ([], 0)} == {}


def test_a_question_expires_on_the_open_page(stage: Stage, stack: ExitStack) -> None:
    """The buttons go away, and the page says what became of the question and of its Run."""
    page = stage.page(stack, "/inbox")
    name = stage.asks("hurries", "hasty")
    card = page.locator(f"#escalation-{HOME}-{name}")
    expect(card).to_contain_text("it expired before anybody answered")
    expect(card.locator("form")).to_have_count(0)
    page.goto(f"{stage.tab.origin}/runs/{HOME}/hurries")
    expect(page.locator("#run-why .badge")).to_have_text("Failed")
    expect(page.locator("#run-why")).to_contain_text("QuestionTimeout")


def test_the_operator_is_away_and_back(stage: Stage, stack: ExitStack) -> None:
    """While nobody acts on an order, the page says so; it follows by itself once somebody does."""
    apply(stage.cluster, HOME, simulated_forever("waits"))
    await_phase(stage.cluster, HOME, "waits", "Running")
    stage.operator.stop()
    page = stage.page(stack, f"/runs/{HOME}/waits/pause")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#run-why")).to_contain_text("the operator has not processed the change yet")
    stage.operator.start()
    expect(page.locator("#run-why .badge")).to_have_text("Paused")
    expect(page.locator("#run-why")).not_to_contain_text("has not processed")
