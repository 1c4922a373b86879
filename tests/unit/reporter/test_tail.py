"""Following a file that a hostile agent writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.reporter.events import MAX_LINE
from controller.reporter.file_tail import BLANK, Tail

BUDGET = 64 * 1024


class Followed:
    """A file, its tail, and the reported problems."""

    def __init__(self, path: Path, max_line: int = MAX_LINE) -> None:
        self.path = path
        self.problems: dict[str, str] = {}
        self.tail = Tail(path, max_line, self.tell)

    def tell(self, kind: str, text: str) -> None:
        self.problems.setdefault(kind, text)

    def read(self, budget: int = BUDGET) -> list[bytes]:
        return list(self.tail.read(budget))

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "events.jsonl")


LINES = st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8)


@settings(deadline=None)
@given(LINES, st.lists(st.integers(1, 9)), st.integers(1, 7))
def test_any_chunking_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], sizes: list[int], budget: int
) -> None:
    """For any split of lines into writes and reads, each line arrives once, whole, in order."""
    followed = Followed(tmp_path_factory.mktemp("tail") / "f", max_line=10)
    text, found = b"".join(line + b"\n" for line in lines), []
    while text:
        size = sizes.pop() if sizes else len(text)
        followed.append(text[:size])
        text = text[size:]
        found += followed.read(budget)
    while more := followed.read(budget) or followed.tail.grew:
        found += more if isinstance(more, list) else []
    assert found == [line for line in lines if line.strip(BLANK) and len(line) <= 10]


def test_growth_is_seen_even_in_half_a_line(followed: Followed) -> None:
    """A file that grows is activity, for any content; one that does not grow shows no activity."""
    followed.append(b"half")
    assert (followed.read(), followed.tail.grew) == ([], True)
    assert (followed.read(), followed.tail.grew) == ([], False)
    assert list(followed.tail.rest()) == [b"half"]


def test_a_huge_line_costs_a_bounded_read_at_a_time_and_is_told_once(followed: Followed) -> None:
    """10 MiB without a newline are skipped within the read budget, take no memory, and the line behind them is read."""
    followed.append(b"x" * (10 << 20) + b"\nafter\n")
    reads = 0
    while not (lines := followed.read()):
        reads += 1
        assert len(followed.tail._part) <= MAX_LINE
    assert lines == [b"after"]
    assert reads >= (10 << 20) // BUDGET - 1
    assert list(followed.problems) == ["events.jsonl long"]


def test_a_flood_is_read_a_budget_at_a_time_and_its_end_counts(followed: Followed) -> None:
    """A read of a million events stops at its budget; at the end, the last events are read without all those between."""
    followed.append(b'{"type":"progress"}\n' * 1_000_000 + b"last\n")
    assert len(followed.read()) == BUDGET // 20
    followed.tail.skip_to_the_last(1000)
    assert followed.read()[-1] == b"last"
    assert "were skipped" in followed.problems["events.jsonl skipped"]


def as_symlink(path: Path) -> None:
    (path.parent / "secret").write_bytes(b"secret\n")
    path.symlink_to(path.parent / "secret")


def as_link_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "why"),
    [(as_symlink, "symlink"), (as_link_loop, "symlink"), (os.mkfifo, "not a regular file"), (os.mkdir, "not a regular file")],
)
def test_what_is_no_file_is_not_read(followed: Followed, make: object, why: str) -> None:
    """A symlink, a FIFO or a folder neither blocks nor leads elsewhere, and is reported; a later file in its place is read."""
    assert callable(make)
    make(followed.path)
    assert followed.read() == []
    assert [why in problem for problem in followed.problems.values()] == [True]
    (followed.path.rmdir if followed.path.is_dir() and not followed.path.is_symlink() else followed.path.unlink)()
    followed.append(b"well\n")
    assert followed.read() == [b"well"]


def test_a_deleted_file_is_read_to_its_end_and_so_is_the_next(followed: Followed) -> None:
    """Lines written before a deletion are not lost, and a new file of the same name is read from its beginning."""
    followed.append(b"one\n")
    followed.read()
    followed.append(b"two\n")
    followed.path.unlink()
    assert followed.read() == [b"two"]
    followed.append(b"three\n")
    assert followed.read() == [b"three"]
    assert list(followed.problems) == ["events.jsonl deleted"]


def test_a_replaced_file_is_read_to_its_end_and_so_is_the_next(followed: Followed) -> None:
    """A rename over the file loses no line of either."""
    followed.append(b"one\n")
    followed.read()
    followed.append(b"two\n")
    other = followed.path.with_name("other")
    other.write_bytes(b"three\n")
    other.rename(followed.path)
    assert followed.read() + followed.read() == [b"two", b"three"]
    assert list(followed.problems) == ["events.jsonl replaced"]


def test_a_truncated_file_is_read_from_its_beginning(followed: Followed) -> None:
    """Truncation is reported to the agent, and the file is read again."""
    followed.append(b"a long line\n")
    followed.read()
    followed.path.write_bytes(b"short\n")
    assert followed.read() == [b"short"]
    assert list(followed.problems) == ["events.jsonl cut"]


def test_a_file_that_may_not_be_read_is_told(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A umask of 077 denies the reporter access: the report gives the reason.

    (Root can read every file, so the refusal is simulated.)
    """

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    followed.append(b"x\n")
    with monkeypatch.context() as patched:
        patched.setattr("controller.reporter.file_tail.os.open", refuse)
        assert followed.read() == []
    assert "Permission denied" in followed.problems["events.jsonl unreadable"]
    assert followed.read() == [b"x"]
