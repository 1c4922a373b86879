"""The table of Runs: rows of any Run, filters, and pages."""

from __future__ import annotations

import pytest

from controller.cli.rw.objects import JsonObject
from controller.cli.web.rendering import rendered
from controller.cli.web.run_rows import PER_PAGE, RunRow, row_of, selection_of, table_page


def run(number: int, **status: object) -> JsonObject:
    """Return a Run, each a minute younger than the last."""
    meta = {"name": f"r{number:04}", "namespace": "a" if number % 2 else "b", "uid": f"u{number}", "resourceVersion": "1"}
    meta["creationTimestamp"] = f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"
    return {"metadata": meta, "spec": {"agents": [{"name": "coder", "image": "x", "provider": f"p{number % 3}"}]}, "status": status}


ROWS = [row_of(run(number, phase="Running" if number % 5 else "Failed", policy={"name": "strict"})) for number in range(250)]


@pytest.mark.parametrize(
    ("query", "matching", "first", "count"),
    [
        ({}, 250, "r0249", 100),
        ({"page": "3"}, 250, "r0049", 50),
        ({"page": "99"}, 250, "r0049", 50),
        ({"page": "-1"}, 250, "r0249", 100),
        ({"page": "٣"}, 250, "r0249", 100),
        ({"page": "9" * 5000}, 250, "r0249", 100),
        ({"namespace": "a"}, 125, "r0249", 100),
        ({"name": "024"}, 11, "r0249", 11),
        ({"phase": "Failed", "namespace": "b"}, 25, "r0240", 25),
        ({"provider": "p1", "policy": "strict"}, 83, "r0247", 83),
        ({"phase": "<b>", "unknown": "x"}, 0, "", 0),
    ],
    ids=str,
)
def test_a_page_has_the_newest_runs_that_fit(query: dict[str, str], matching: int, first: str, count: int) -> None:
    """Filters combine; a page that does not exist is the nearest one."""
    page = table_page(ROWS, selection_of(query))
    assert (page.matching, len(page.rows), page.total) == (matching, count, 250)
    assert len(page.rows) <= PER_PAGE
    assert [row.name for row in page.rows][:1] == ([first] if first else [])


@pytest.mark.parametrize("broken", [{"spec": 1}, {"status": []}, {"spec": {"agents": 5}}, {"status": {"restarts": "x"}}], ids=str)
def test_a_run_of_any_form_has_a_row(broken: JsonObject) -> None:
    """Somebody may have written the Run by hand, or before the CRD was installed."""
    assert isinstance(row_of(run(1) | broken), RunRow)


NASTY = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "</td></table><iframe src=//evil.example>",
    "javascript:alert(1)",
    "\x1b]0;title\x07\x00\r\u2028",
    "\u202egnp.exe\u2066",
    "{{ 7 * 7 }}{% raw %}",
    "data: x\n\nevent: expired",
    "x" * 16_384,
)


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_texts_of_agents_stay_texts(text: str) -> None:
    """Markup, control and bidirectional characters in a message reach the page as visible characters only."""
    row = row_of(run(1, phase="Failed", reason="NonZeroExit", message=text, policy={"name": text}))
    values = {"table": table_page([row], selection_of({})), "loading": None, "expected": 1, "earlier": "", "later": ""}
    html = rendered("runs_live.html", values | {"now": row.created})
    assert not any(char in html for char in "\x1b\x00\x07\r\u2028\u202e\u2066")
    assert not any(markup in html for markup in ("<script", "<img", "<svg", "<iframe", 'href="javascript', "49"))
    assert html.count("x") < 1000
