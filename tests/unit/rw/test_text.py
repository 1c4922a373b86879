"""Layout, and safety: no text of an agent reaches the terminal as more than letters."""

from __future__ import annotations

import sys
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.rw.describe_view import describe_run
from controller.cli.rw.explain_model import explain_run
from controller.cli.rw.explain_view import explained
from controller.cli.rw.get_view import runs_table
from controller.cli.rw.inbox_view import in_full, inbox_table
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.session import Session
from controller.cli.rw.table_format import table
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.text import cut, span, wrapped
from tests.unit.rw.stories import NAMES, NOW, story

HOSTILE = "\x1b]0;mine\x07\x1b[2Jfine\u202etxet\x9b31m\r"


def poisoned(value: object) -> object:
    """Return an object with a hostile suffix in every free text."""
    if isinstance(value, dict):
        return {key: value[key] if key in ("name", "labels", "time") else poisoned(value[key]) for key in value}
    if isinstance(value, list | tuple):
        return type(value)(poisoned(item) for item in value)
    return f"{value} {HOSTILE}" if isinstance(value, str) and " " in value else value


@pytest.mark.parametrize("width", [72, None])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_steers_the_terminal(name: str, width: int | None) -> None:
    """Escape sequences, carriage returns and bidirectional overrides in any text of any object become visible marks."""
    told = story(name)
    run: JsonObject = poisoned(told.run)  # type: ignore[assignment]  # a dict stays one
    lists = {key: poisoned(getattr(told.around, key)) for key in ("pods", "escalations", "reports", "events")}
    around = type(told.around)(**lists, policy=told.around.policy)  # type: ignore[arg-type]  # tuples stay tuples
    shown = [
        describe_run(run, around, sentence, NOW, width),
        explained(explain_run(run, around, NOW), Session().command, NOW, width),
        runs_table([run], {run["metadata"]["uid"]: around.reports}, NOW, width, spaces=True, wide=True),
        inbox_table(around.escalations, (), NOW, width, spaces=True),
        *(in_full(escalation, (), NOW, width) for escalation in around.escalations),
    ]
    for text in shown:
        assert not set(text.plain) & set("\x1b\x07\x9b\r\u202e")


UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that are not shown, but do something."""


def by_category(text: str) -> str:
    """Return the text cleaned by the category of each character; the exceptions are layout, and joiners of scripts and emoji."""
    kept = "\n\t\u200c\u200d"
    return "".join("\ufffd" if char not in kept and unicodedata.category(char) in UNSAFE else char for char in text)


def test_clean_knows_the_category_of_every_character() -> None:
    """The written table agrees with Unicode; a character that this Python does not know yet may be in it already."""
    known = "".join(char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) != "Cn")
    assert clean(known) == by_category(known)


@given(st.text(st.characters(exclude_categories=["Cn"])))
def test_clean_is_the_same_in_any_text(text: str) -> None:
    """Neighbours of a character change nothing, and neither does the short way for texts that can be printed whole."""
    assert clean(text) == by_category(text)


@given(st.text())
def test_clean_keeps_what_is_harmless(text: str) -> None:
    """Cleaned text keeps its length and its printable characters, and a second cleaning changes nothing."""
    found = clean(text)
    assert len(found) == len(text)
    assert clean(found) == found
    assert all(new == old for new, old in zip(found, text, strict=True) if old.isprintable() or old in "\n\t")


@given(st.text(), st.integers(min_value=2, max_value=60))
def test_cut_fits(text: str, width: int) -> None:
    """A cut text is one line that fits, with wide characters counted double."""
    from rich.cells import cell_len

    found = cut(text, width)
    assert "\n" not in found
    assert cell_len(found) <= width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (59, "59s"),
        (119, "119s"),
        (200, "3m20s"),
        (3600, "60m"),
        (4 * 3600 + 60, "4h1m"),
        (90000, "25h"),
        (200000, "2d7h"),
        (900000, "10d"),
    ],
)
def test_spans_are_kubectls(seconds: int, text: str) -> None:
    """Durations have the steps of apimachinery's HumanDuration, as in AGE columns."""
    assert span(timedelta(seconds=seconds)) == text


def test_a_folded_column_keeps_its_place() -> None:
    """The last column's lines are aligned; without a width it is one line."""
    rows = [["a", "one two three four five six seven"]]
    assert table(("", ""), rows, 30, fold=True).plain == "a   one two three four five\n    six seven"
    assert table(("", ""), rows, None, fold=True).plain == "a   one two three four five six seven"


def test_wide_characters_count_twice() -> None:
    """A column with wide characters is padded by cells, not by characters."""
    assert table(("N", "X"), [["日本", "x"], ["ab", "y"]], None).plain == "N      X\n日本   x\nab     y"


def test_blank_lines_stay() -> None:
    """The paragraphs of a question stay separate."""
    assert wrapped("a\n\nb", 40, "  ").plain == "  a\n\n  b"
