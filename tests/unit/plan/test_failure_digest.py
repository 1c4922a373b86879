"""Which failures of a verification are the same, by examples of what programs print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.base import MAX_OUTPUT
from controller.plan.failure_digest import KEPT_LINES, failure_digest, normalised

PYTEST = """\
____________________________ test_total _____________________________
>       assert total([1, 2]) == 4
E       assert 3 == 4
/tmp/pytest-of-root/pytest-0/test_total0/cart.py:7: AssertionError
=========================== 1 failed, 11 passed in 0.42s ===========================
"""

SAME = [
    ("a duration", "--- FAIL: TestTotal (0.03s)", "--- FAIL: TestTotal (1.27s)"),
    ("a time", "2026-11-30T17:30:44Z ERROR no such table: cart", "2026-11-30T17:58:02Z ERROR no such table: cart"),
    ("a date in words", "Mon Nov 30 17:30:44 2026 failed", "Tue Dec  1 09:00:00 2026 failed"),
    ("a temporary path", "FAILED in /tmp/tmpx7k2_q/repo/cart", "FAILED in /tmp/tmp0az9cc/repo/cart"),
    ("a path of macOS", "open /var/tmp/a1b2/x: no such file", "open /var/tmp/c3d4/y: no such file"),
    ("an address", "<Cart object at 0x7f3a2c1e9d60>", "<Cart object at 0x7f81ee0a1b50>"),
    ("a commit", "HEAD is now at 3f9c2ab", "HEAD is now at 91d04fe"),
    ("a UUID", "job 7c9e6679-7425-40de-944b-e07fc1f90ae7 failed", "job 16fd2706-8baf-433b-82eb-8c7fada847da failed"),
    ("a port and a process", "[4711] listen tcp 127.0.0.1:38211: refused", "[902] listen tcp 127.0.0.1:44913: refused"),
    ("a colour", "\x1b[31mFAILED\x1b[0m cart.py", "FAILED cart.py"),
    ("the width of a ruler", "===== short test summary =====", "=========== short test summary ==========="),
    ("white space and empty lines", "FAILED  cart.py\n\n", "FAILED cart.py"),
    ("the seed of a random order", "Using --randomly-seed=2870441", "Using --randomly-seed=11"),
    ("pytest, run twice", PYTEST, PYTEST.replace("0.42s", "11.90s").replace("pytest-0", "pytest-7")),
]

DIFFERENT = [
    ("another test", "FAILED cart.py::test_total", "FAILED cart.py::test_empty"),
    ("another error", "E   TypeError: total() missing an argument", "E   NameError: name 'total' is not defined"),
    ("one failure less", "FAILED test_a\nFAILED test_b", "FAILED test_b"),
    ("no output", "", "FAILED test_a"),
]


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_the_same_failure(first: str, second: str) -> None:
    """Whatever two runs of one failure print differently is left out."""
    assert normalised(first) == normalised(second)
    assert failure_digest(1, first) == failure_digest(1, second)


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_another_failure(first: str, second: str) -> None:
    """Names and words count: an agent that makes progress fails differently."""
    assert failure_digest(1, first) != failure_digest(1, second)


def test_the_exit_code_counts() -> None:
    """The same words with another exit code, or at the time limit, are another failure."""
    assert len({failure_digest(code, "failed") for code in (1, 2, 137, None)}) == 4


def test_where_a_long_output_was_cut_does_not_matter() -> None:
    """The kept end of a long output begins anywhere in its first line, and with another line."""
    lines = [f"step {name} of the build is running with its usual options" for name in "abcdefghij" * 12]
    whole = "\n".join(lines) + "\nFAILED test_a\n"
    first, second = whole[-4000:], whole[-3950:]
    assert failure_digest(1, first) == failure_digest(1, second)
    assert len(normalised(first).splitlines()) == KEPT_LINES


@given(st.text(max_size=MAX_OUTPUT))
def test_any_output_has_a_digest(output: str) -> None:
    """The output is the command's: it may contain anything."""
    assert len(failure_digest(1, output)) == 64
    assert normalised(normalised(output)) == normalised(output) or "N" in normalised(output)
