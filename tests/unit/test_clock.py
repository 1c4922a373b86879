"""The API server's clock, from Date headers of whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from controller.cluster.clock import ServerClock

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(offset=st.floats(-1e6, 1e6), moments=st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_good_to_a_second_whatever_the_local_clock_says(offset: float, moments: list[float]) -> None:
    """However wrong the local wall clock is, the estimate is within a second of the server's clock."""
    local = 0.0
    clock = ServerClock(monotonic=lambda: local, wall=lambda: 0.0)
    truth = START + timedelta(seconds=offset)
    for local in sorted(moments):
        now = truth + timedelta(seconds=local)
        clock.hear(format_datetime(now.replace(microsecond=0), usegmt=True), local, local)
        assert abs((clock.now() - now).total_seconds()) <= 1.0


def test_a_clock_that_was_set_is_believed_anew() -> None:
    """When the server's clock jumps, the newest answer counts."""
    clock = ServerClock(monotonic=lambda: 0.0, wall=lambda: 0.0)
    for moment in (START, START + timedelta(days=1)):
        clock.hear(format_datetime(moment, usegmt=True), 0.0, 0.0)
        assert abs((clock.now() - moment).total_seconds()) <= 1.0


def test_nonsense_is_ignored() -> None:
    """A missing or unreadable Date header changes nothing."""
    clock = ServerClock(monotonic=lambda: 0.0, wall=lambda: 1000.0)
    before = clock.now()
    clock.hear(None, 0, 0)
    clock.hear("yesterday", 0, 0)
    assert clock.now() == before
