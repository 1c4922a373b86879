"""The API server's clock from Date headers of whole seconds: clocks drift, servers disagree, and time never goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from controller.kube.server_clock import ServerClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def header(moment: datetime) -> str:
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


@given(
    drift=st.floats(-300e-6, 300e-6),
    skew=st.floats(0, 0.9),
    waits=st.lists(st.floats(0, 600), min_size=1, max_size=60),
)
def test_never_back_and_never_far_off(drift: float, skew: float, waits: list[float]) -> None:
    """With drifting clocks and a second API server that is a little ahead, the estimate never goes back and stays close."""
    local = 0.0
    clock = ServerClock(monotonic=lambda: local, wall=START.timestamp)
    last = clock.now()
    for number, wait in enumerate(waits):
        local += wait
        truth = START + timedelta(seconds=local * (1 + drift))
        clock.observe(header(truth + timedelta(seconds=skew * (number % 2))), local, local)
        assert clock.now() >= last
        last = clock.now()
        assert abs((last - truth).total_seconds()) <= 1 + skew + 600 * 500e-6


def test_drift_causes_no_jumps() -> None:
    """An estimate that was narrowed for hours follows a drifting clock smoothly instead of starting over."""
    local = 0.0
    clock = ServerClock(monotonic=lambda: local, wall=START.timestamp)
    errors = []
    for step in range(20_000):
        local = step * 0.37
        truth = START + timedelta(seconds=local * (1 + 100e-6))
        clock.observe(header(truth), local, local)
        errors.append((clock.now() - truth).total_seconds())
    settled = errors[200:]
    assert max(settled) - min(settled) < 0.2


def test_a_clock_set_far_back_is_believed() -> None:
    """A large step back is accepted; time is held back for small corrections only."""
    clock = ServerClock(monotonic=lambda: 0.0, wall=START.timestamp)
    for moment in (START, START - timedelta(hours=1)):
        clock.observe(header(moment), 0.0, 0.0)
        assert abs((clock.now() - moment).total_seconds()) <= 1


@given(offset=st.floats(-1e6, 1e6), moments=st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_good_to_a_second_whatever_the_local_clock_says(offset: float, moments: list[float]) -> None:
    """The estimate is within a second of the server's clock, however wrong the local wall clock is."""
    local = 0.0
    clock = ServerClock(monotonic=lambda: local, wall=lambda: 0.0)
    truth = START + timedelta(seconds=offset)
    for local in sorted(moments):
        now = truth + timedelta(seconds=local)
        clock.observe(header(now), local, local)
        assert abs((clock.now() - now).total_seconds()) <= 1.0


def test_a_clock_that_was_set_is_believed_anew() -> None:
    """When the server's clock jumps, the newest answer counts."""
    clock = ServerClock(monotonic=lambda: 0.0, wall=lambda: 0.0)
    for moment in (START, START + timedelta(days=1)):
        clock.observe(header(moment), 0.0, 0.0)
        assert abs((clock.now() - moment).total_seconds()) <= 1.0


def test_nonsense_is_ignored() -> None:
    """A missing or unreadable Date header changes nothing."""
    clock = ServerClock(monotonic=lambda: 0.0, wall=lambda: 1000.0)
    before = clock.now()
    clock.observe(None, 0, 0)
    clock.observe("yesterday", 0, 0)
    assert clock.now() == before
