"""Debian's Chromium, headless, driven by Playwright; and axe-core from npm. Both are installed once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect, sync_playwright

from tests.clis.install import install_locked
from tests.debian import apt_install, installed

HERE = Path(__file__).parent
PROGRAMS = ("chromium", "google-chrome", "google-chrome-stable")
"""Debian's, and that of machines of CI."""

WAIT_MILLISECONDS = 60_000
"""How long a page may take to become what a test waits for; generous, since these machines are shared."""

WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 780}
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""The rules of axe that apply: WCAG 2.2 at levels A and AA, and what axe recommends."""

AXE = "async (rules) => (await axe.run(document, {runOnly: {type: 'tag', values: rules}})).violations"


def program() -> Path:
    """Return Chromium, installed if allowed; skip without it, which is a failure in CI."""
    return installed("chromium", _found, lambda: apt_install("chromium", "fonts-liberation"))


def _found() -> Path | None:
    return next((Path(place) for name in PROGRAMS if (place := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser. It has no sandbox of its own, for root cannot have one; it opens pages of this machine alone."""
    path = program()
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MILLISECONDS)
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=["--disable-gpu", "--no-zygote"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def person(browser: Browser, *, phone: bool = False, dark: bool = False, **options: Any) -> Iterator[BrowserContext]:
    """Open a browser's profile of one person, without cookies. Its zone is UTC unless `timezone_id` names another."""
    size, scheme = PHONE if phone else WIDE, "dark" if dark else "light"
    found = {"viewport": size, "color_scheme": scheme, "timezone_id": "UTC", "locale": "en-GB", "reduced_motion": "reduce"}
    context = browser.new_context(**{**found, **options})
    context.set_default_timeout(WAIT_MILLISECONDS)
    try:
        yield context
    finally:
        context.close()


@cache
def _axe() -> str:
    return (install_locked(HERE, "browser") / "node_modules/axe-core/axe.min.js").read_text()


def obstacles(page: Page) -> list[str]:
    """Return what axe finds wrong with a page: the rule, why it matters, and where."""
    page.evaluate(_axe())  # The page's own policy forbids a script in it; the browser's debugger is not bound by that.
    found = page.evaluate(AXE, list(RULES))
    return [f"{each['id']}: {each['help']}: {', '.join(str(node['target']) for node in each['nodes'])}" for each in found]


def overflow(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


MOST_STOPS = 150
"""More stops than any page of the tests has."""

STOP = """(wanted) => {
    const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
    const x = Math.max(box.left, 0) + 1, y = Math.max(box.top, 0) + 1, shown = document.elementFromPoint(x, y);
    const covered = !shown || !(at.contains(shown) || shown.contains(at));
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return [at === wanted, ring && !covered ? "" : at.outerHTML.slice(0, 200)];
}"""
"""Whether the wanted element has the focus, and the focused element if nobody sees that it has it: no ring, outside or covered."""


def tab_to(wanted: Locator, key: str = "Tab") -> None:
    """Press Tab, or Shift+Tab, until an element has the focus. Each stop on the way shows that it has it."""
    hidden: list[str] = []
    for _ in range(MOST_STOPS):
        wanted.page.keyboard.press(key)
        there, unseen = wanted.evaluate(STOP)
        hidden += [unseen] if unseen else []
        if there:
            assert hidden == []
            return
    raise AssertionError(f"{wanted} is not reached by {key}; not seen on the way: {hidden}")
