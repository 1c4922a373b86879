"""A log in lines: whole across parts, cut, safe, and never more than a reader can take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.cli.web.log_lines import LONGEST, LONGEST_BYTES, MOST_LINES, LogLines


def lines_of(*parts: bytes) -> list[str]:
    """Return the lines of a log that comes in parts."""
    log = LogLines()
    for part in parts:
        log.feed(part)
    log.finish()
    return log.take()[1]


@given(st.lists(st.text(alphabet="ab\n", max_size=6), max_size=12))
def test_parts_do_not_change_lines(parts: list[str]) -> None:
    """However the bytes come, the lines are the same."""
    whole = "".join(parts)
    expected = whole.split("\n") if whole else []
    assert lines_of(*(part.encode() for part in parts)) == (expected[:-1] if whole.endswith("\n") else expected)


def test_a_character_may_come_in_two_parts() -> None:
    """Bytes are decoded by the line."""
    emoji = "\N{ROCKET}".encode()
    assert lines_of(emoji[:2], emoji[2:] + b"\r\n") == ["\N{ROCKET}"]


def test_nothing_controls_the_reader() -> None:
    """Control and bidirectional characters, and bytes that are no UTF-8, are replaced."""
    assert lines_of(b"\x1b[2J\xff\n", "\u202etxt\n".encode()) == ["\ufffd[2J\ufffd", "\ufffdtxt"]


def test_a_line_without_end_is_cut() -> None:
    """It takes bounded memory, and the next line is whole again."""
    log = LogLines()
    for _ in range(100):
        log.feed(b"x" * LONGEST_BYTES)
    log.feed(b"\nnext\n")
    assert log.take() == (0, ["x" * (LONGEST - 1) + "…", "next"])


def test_a_slow_reader_gets_the_last_lines() -> None:
    """The others are counted."""
    log = LogLines()
    log.feed(b"".join(b"%d\n" % number for number in range(MOST_LINES + 7)))
    left_out, found = log.take()
    assert (left_out, len(found), found[0], found[-1]) == (7, MOST_LINES, "7", str(MOST_LINES + 6))
    assert log.take() == (0, [])
