"""The page over the stories of `kubectl rw`, in Chromium: pictures for the docs, a log of a million lines, and interruptions.

`UPDATE_PICTURES=1` takes the pictures; look at them before you commit them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from controller.cli.rw.objects import JsonObject
from controller.cli.web import changes_view
from controller.cli.web.pages.changes_page import changes_of
from controller.cli.web.redirect_file import redirect_file
from controller.cli.web.rendering import rendered
from controller.cli.web.sessions import Sessions
from tests.browser.chromium import PHONE, WIDE, chromium, obstacles, overflow, person, tab_to
from tests.browser.recorded import Recorded, recorded_page
from tests.unit.rw.stories import NAMES, NOW, story

DOCS = Path(__file__).parents[2] / "docs"
MAX_BYTES = 100_000
COLOURS = 160
LINES = 1_000_000
HOSTILE = "\x1b[31m<img src=x onerror=alert(1)>\u202e\n"


class Picture(NamedTuple):
    """A picture in docs/, of a page in a width and a scheme."""

    name: str
    path: str
    phone: bool = False
    dark: bool = False
    height: int = 800


PICTURES = (
    Picture("web-runs", "/"),
    Picture("web-run", "/runs/team-a/migrate", height=1545),
    Picture("web-inbox-dark", "/inbox", dark=True),
    Picture("web-run-phone-dark", "/runs/team-a/migrate", phone=True, dark=True),
    Picture("web-inbox-phone", "/inbox", phone=True),
)


class Look(NamedTuple):
    """A browser that is logged in to a page over the stories."""

    browser: Browser
    page: Recorded
    cookies: Any

    @contextmanager
    def at(self, path: str, *, phone: bool = False, dark: bool = False, zone: str = "UTC") -> Iterator[Page]:
        """Open a page at the stories' time."""
        with person(self.browser, phone=phone, dark=dark, timezone_id=zone) as context:
            context.add_cookies(self.cookies)
            context.clock.set_fixed_time(NOW)
            found = context.new_page()
            found.goto(f"{self.page.origin}{path}")
            yield found


@pytest.fixture(scope="module")
def look() -> Iterator[Look]:
    """One server and one browser for all tests here."""
    log = b"".join(b"line %d\n" % number for number in range(LINES)) + HOSTILE.encode()
    with ExitStack() as stack:
        page, browser = stack.enter_context(recorded_page(log)), stack.enter_context(chromium())
        with person(browser) as context:
            first = context.new_page()
            first.goto(redirect_file(stack.enter_context(TemporaryDirectory()), page.start))
            first.wait_for_url(f"{page.origin}/")
            cookies = context.cookies()
        yield Look(browser, page, cookies)


@pytest.mark.parametrize("picture", PICTURES, ids=[picture.name for picture in PICTURES])
def test_pictures_of_the_docs(look: Look, picture: Picture) -> None:
    """Each picture is small and in docs/web.md; its page is still one that everybody can use."""
    file = DOCS / f"{picture.name}.png"
    with look.at(picture.path, phone=picture.phone, dark=picture.dark) as page:
        expect(page.locator("#live :is(article, tbody tr)").first).to_be_visible()
        assert (obstacles(page), overflow(page)) == ([], 0)
        if os.environ.get("UPDATE_PICTURES"):
            page.set_viewport_size({"width": (PHONE if picture.phone else WIDE)["width"], "height": picture.height})
            file.write_bytes(small(page.screenshot()))
    assert 0 < file.stat().st_size < MAX_BYTES
    assert f"({file.name})" in (DOCS / "web.md").read_text()


def small(png: bytes) -> bytes:
    """Return a picture with few colours."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def test_times_are_in_the_readers_zone(look: Look) -> None:
    """A time names its zone, and keeps UTC for programs."""
    with look.at("/runs/team-a/migrate", zone="Asia/Tokyo") as page:
        created = page.locator("#run-facts time").first
        expect(created).to_have_text("1 Jan 2026, 19:00:00 GMT+9")
        expect(created).to_have_attribute("datetime", "2026-01-01T10:00:00Z")


BARE: dict[str, dict[str, Any]] = {
    "login.html": {"wrong": "the API server does not know this token", "csrf": "x", "onward": "/"},
    "refused.html": {
        "message": "escalation q is no longer open; it was answered (bob: Answer: yes)",
        "text": "no",
        "back": "/inbox",
    },
    "changes.html": {
        "page": changes_view.PAGE,
        "pages": (),
        "live_url": "",
        "login": True,
        "space": "",
        "problem": None,
        "csrf": "x",
        "agent": "coder",
        "run": "fix",
        "base": "a" * 40,
        "uid": "u",
        "back": "/runs/d/fix",
        "seconds": 20,
        "refused": "no",
        "command": "kubectl rw diff fix coder -n d",
        "changes": changes_of(b"diff --git a/x b/x\n@@ -1 +1 @@\n-" + b"old " * 200 + b"\n+new\n kept\n", cut=False),
    },
    "error.html": {
        "code": 403,
        "title": "You may not see this",
        "message": "carol may not list runs.runwatchman.dev in all namespaces",
    },
}
"""Pages that no stream updates, with their values: for somebody who is not logged in or was refused, and an agent's changes."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("template", BARE)
def test_everybody_can_use_the_pages_without_a_stream(look: Look, template: str, dark: bool) -> None:
    """They too have no obstacles, and fit a phone."""
    with look.at("/fleet", phone=True, dark=dark) as page:
        html = rendered(template, BARE[template])
        page.route("**/bare", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(f"{look.page.origin}/bare")
        expect(page.locator("h1")).to_be_visible()
        assert (obstacles(page), overflow(page)) == ([], 0)


SHIFTS = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifts += entry.value;
    }).observe({type: "layout-shift"});
}"""
"""Sums up how much of the page moves without the person, as browsers count it."""


SEEN = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done([window.scrollY, window.shifts]), 0)))"""
"""The scroll position and that sum, after the next frame."""


def test_an_update_leaves_everything_in_its_place(look: Look) -> None:
    """Focus, a half-typed answer, an opened detail and the scroll position stay, and nothing moves."""
    with look.at("/runs/team-a/migrate") as page:
        page.locator("#run-facts summary").click()
        words = page.get_by_label("own words")
        words.fill("half an ans")
        page.evaluate("window.scrollTo(0, 300)")
        page.evaluate(SHIFTS)
        look.page.api.change("runs", "migrate", lambda run: run["status"]["agents"][1].update(health="Unready", reason="Unready"))
        expect(page.locator("#run-agents")).to_contain_text("Unready")
        expect(words).to_be_focused()
        expect(words).to_have_value("half an ans")
        expect(page.locator("#run-facts details")).to_have_attribute("open", "")
        assert page.evaluate(SEEN) == [300, 0]
        look.page.api.change(
            "runs", "migrate", lambda run: run["status"]["agents"][1].update(health="Healthy", reason="Supervising")
        )


@contextmanager
def answered(look: Look, escalation: str) -> Iterator[None]:
    """Let somebody else answer a question for the time of a test."""

    def write(response: JsonObject, phase: str) -> None:
        def change(found: JsonObject) -> None:
            found["spec"]["response"] = response
            found["status"] = {"phase": phase, "answeredAt": "2026-01-01T12:00:00Z"}

        look.page.api.change("escalations", escalation, change)

    write({"by": "bob", "decision": "Answer", "answer": "wait"}, "Answered")
    yield
    write({}, "Open")


def test_a_question_is_answered_by_the_keyboard_alone(look: Look) -> None:
    """From the top of a page to the answer, the focus is seen at each stop, and in the end it is on the result."""
    with look.at("/") as page:
        tab_to(page.get_by_role("link", name="Inbox"))
        page.keyboard.press("Enter")
        card = page.locator("#escalation-team-a-migrate-coder-7f3a0001")
        expect(card).to_be_visible()
        tab_to(page.get_by_role("link", name="Skip to the content"))
        page.keyboard.press("Enter")
        tab_to(card.get_by_label("Comment"))
        page.keyboard.type("as in staging")
        tab_to(card.get_by_role("button", name="SQLite"), "Shift+Tab")
        page.keyboard.press("Space")
        expect(page.get_by_text("Your response was sent.")).to_be_focused()
        expect(card).to_contain_text("alice: Answer: SQLite (as in staging)")
        look.page.api.change("escalations", "migrate-coder-7f3a0001", lambda asked: asked["spec"].pop("response"))


def test_an_action_is_confirmed_by_the_keyboard_alone(look: Look) -> None:
    """Its effects are read first. Escape does nothing and leads back to the action; after it is done, the focus is on the state."""
    with look.at("/runs/team-a/migrate") as page:
        for action in ("Pause", "Stop"):
            tab_to(page.get_by_role("link", name=action))
            page.keyboard.press("Enter")
            expect(page.get_by_role("region", name="What will happen")).to_be_focused()
            page.keyboard.press("Escape")
            expect(page.get_by_role("link", name=action)).to_be_focused()
        tab_to(page.get_by_role("link", name="Pause"), "Shift+Tab")
        page.keyboard.press("Enter")
        tab_to(page.get_by_role("button", name="Pause"))
        page.keyboard.press("Space")
        expect(page.locator("#run-why")).to_be_focused()
        expect(page.get_by_role("link", name="Resume")).to_be_visible()
        look.page.api.change("runs", "migrate", lambda run: run["status"].update(phase="Paused"))
        expect(page.locator("#run-why .badge")).to_have_text("Paused")
        expect(page.locator("#run-why")).to_be_focused()
        look.page.api.change("runs", "migrate", lambda run: run["status"].update(phase="AwaitingGuidance"))
        look.page.api.change("runs", "migrate", lambda run: run["spec"].pop("desiredState"))


def test_an_update_leaves_the_focus_in_its_place(look: Look) -> None:
    """A button keeps it while another question is answered; once its own question is, the card of that question has it."""
    with look.at("/inbox") as page:
        card = page.locator("#escalation-team-a-migrate-coder-7f3a0001")
        tab_to(card.get_by_role("button", name="SQLite"))
        with answered(look, "stuck-coder-00000003"):
            expect(page.locator("#inbox-recent")).to_contain_text("RestartBudgetSpent")
            expect(card.get_by_role("button", name="SQLite")).to_be_focused()
            with answered(look, "migrate-coder-7f3a0001"):
                expect(page.locator("#inbox-recent")).to_contain_text("Which database")
                expect(card).to_be_focused()


def test_a_log_that_the_caller_may_not_read(look: Look) -> None:
    """The page names the missing right, and does not ask again."""
    with look.at("/fleet") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/follow/" in request.url else None)
        look.page.api.logs_refused = True
        page.goto(f"{look.page.origin}/runs/team-a/migrate/logs/migrate-coder-r1")
        expect(page.locator("#log-state")).to_contain_text("alice may not get pods/log in namespace team-a")
        look.page.api.logs_refused = False
        assert (len(asked), obstacles(page)) == (1, [])


def test_the_api_server_is_away_and_back(look: Look) -> None:
    """The page says since when it shows nothing new, keeps what is typed, and goes on by itself."""
    with look.at("/inbox") as page:
        page.get_by_label("own words").fill("half an ans")
        look.page.api.go_away()
        expect(page.locator("#notice")).to_contain_text("What you see is from")
        assert obstacles(page) == []
        look.page.api.come_back()
        expect(page.locator("#notice")).to_be_empty()
        expect(page.get_by_label("own words")).to_have_value("half an ans")


def test_a_session_ends_while_somebody_types(look: Look) -> None:
    """The page says so and keeps the text; no later answer of the server is shown as if it were new."""
    with look.at("/inbox") as page:
        page.get_by_label("own words").fill("half an ans")
        with patch.object(Sessions, "get", lambda *_: None):
            expect(page.locator("#notice")).to_contain_text("Your session has ended")
            expect(page.get_by_label("own words")).to_have_value("half an ans")
            assert obstacles(page) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_story_can_be_used_on_a_dark_phone(look: Look, name: str) -> None:
    """A Run that waits, failed, was refused or is new has a page without obstacles that is no wider than a phone."""
    meta = story(name).run["metadata"]
    with look.at(f"/runs/{meta['namespace']}/{meta['name']}", phone=True, dark=True) as page:
        expect(page.locator("#run-why")).to_be_visible()
        assert (obstacles(page), overflow(page)) == ([], 0)


def test_a_log_of_a_million_lines(look: Look) -> None:
    """The last lines are shown, how many are not, and nothing in a line controls the page; the browser keeps few of them."""
    with look.at("/runs/team-a/migrate/logs/migrate-coder-r1") as page:
        expect(page.get_by_text("the log has ended")).to_be_visible()
        log = page.locator("#log")
        expect(log).to_contain_text(f"line {LINES - 1}\n\ufffd[31m<img src=x onerror=alert(1)>\ufffd", use_inner_text=True)
        text = log.inner_text()
        assert text.startswith("… ")
        left_out = int(text.split()[1].replace(",", ""))
        assert left_out + len(text.rstrip("\n").split("\n")) - 1 == LINES + 1
        assert log.locator("*").count() == 0
        assert overflow(page) == 0
