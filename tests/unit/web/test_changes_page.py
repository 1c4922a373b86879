"""The changes in a workspace: their kinds, bounds, and hostile texts in them."""

from __future__ import annotations

import pytest

from controller.cli.web.executing import MOST_ERRORS, MOST_OUTPUT, Written
from controller.cli.web.pages.changes_page import LONGEST, MOST_LINES, changes_of
from controller.cli.web.rendering import rendered
from tests.unit.web.rendering import read

DIFF = rb"""diff --git a/file b/file
index 1..2 100644
--- a/file
+++ b/file
@@ -1,4 +1,4 @@ context
 kept
--- a removed comment
+++ an added line
\ No newline at end of file
diff --git a/new b/new
new file mode 100644
"""


def html_of(out: bytes, *, cut: bool = False) -> str:
    """Return the page with the changes."""
    values = {"agent": "coder", "base": "1234", "uid": "u", "run": "fix", "back": "/runs/d/fix", "command": "kubectl rw diff"}
    return rendered("changes_live.html", {**values, "csrf": "x", "seconds": 20, "refused": "", "changes": changes_of(out, cut=cut)})


def test_lines_have_their_kinds() -> None:
    """A removed line that begins with dashes is no head of a file."""
    kinds = [line.kind for line in changes_of(DIFF, cut=False).lines]
    assert kinds == ["file"] * 4 + ["hunk", "", "removed", "added", "", "file", "file"]


@pytest.mark.parametrize(
    ("out", "cut", "shown", "left_out"),
    [
        (b"", False, 0, 0),
        (b"a\nb\n", False, 2, 0),
        (b"a\nb", False, 2, 0),
        (b"a\nb", True, 1, 0),
        (b"ab", True, 1, 0),
        (b"a\n" * (MOST_LINES + 5), False, MOST_LINES, 5),
        (b"\n" * MOST_LINES, False, MOST_LINES, 0),
    ],
)
def test_what_is_left_out_is_counted(out: bytes, cut: bool, shown: int, left_out: int) -> None:
    """The first lines are shown. A part of a line is not one."""
    found = changes_of(out, cut=cut)
    assert (len(found.lines), found.left_out, found.cut) == (shown, left_out, cut)


def test_a_long_line_is_cut() -> None:
    """A file of one line does not hide the others."""
    assert [len(line.text) for line in changes_of(b"+" + b"x" * 9 * LONGEST + b"\n+y\n", cut=False).lines] == [LONGEST, 2]


@pytest.mark.parametrize(
    "text", ["<script>x</script>", '"><img src=x onerror=x>', "{{ 7*7 }}", "\x1b[2J", "a\rb", "\u202etxt", "\u2028", "\udcff"]
)
def test_a_hostile_file_stays_text(text: str) -> None:
    """Whatever is in a file, the page has the same elements, and no character that controls the reader."""
    plain, found = read(html_of(DIFF + b"+word\n")), read(html_of(DIFF + b"+" + text.encode(errors="surrogateescape") + b"\n"))
    assert found.tags == plain.tags
    assert not set("\x1b\r\u202e\u2028") & set("".join(found.words))
    assert "49" not in found.text


def test_the_page_says_how_much_it_shows() -> None:
    """Whole changes have no such sentence."""
    assert "Only the first" not in html_of(DIFF)
    assert "Only the first 20,000 lines are shown; 5 more are not" in read(html_of(b"a\n" * (MOST_LINES + 5))).text
    assert "Only the first 11 lines are shown: there is more than 1 MiB" in read(html_of(DIFF + b"+par", cut=True)).text
    assert "Nothing has changed." in html_of(b"")
    assert '<span class="removed">--- a removed comment</span>\n<span class="added">+++ an added line</span>\n' in html_of(DIFF)


def test_output_is_kept_within_bounds() -> None:
    """The first output and the last messages are kept, and an exit code is of a whole output only."""
    written = Written()
    for _ in range(3):
        written.add(b"a" * (MOST_OUTPUT // 2))
        written.add_error(b"b" * MOST_ERRORS + b"c")
    assert written.ended(137) == (0, b"a" * MOST_OUTPUT, b"b" * (MOST_ERRORS - 1) + b"c", True)
    whole = Written()
    whole.add(b"a" * MOST_OUTPUT)
    assert whole.ended(3) == (3, b"a" * MOST_OUTPUT, b"", False)
