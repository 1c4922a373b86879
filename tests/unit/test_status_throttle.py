"""The delay of status-only updates: three seconds since the last write or the start, longer for many Runs."""

import pytest

from controller.api.names import RunKey
from controller.reconcile.status_throttle import LEAST_SECONDS_EACH, StatusThrottle


def of(namespace: str, count: int) -> list[RunKey]:
    return [RunKey(namespace, f"run-{number}", f"{namespace}-{number}") for number in range(count)]


RUN = of("ns", 1)[0]


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ((), 0),
        (("written",), 3),
        (("written", 1), 2),
        (("written", 600), 0.3),
        (("written", 2, "written"), 3),
        (("nothing new",), 0),
        (("written", 2, "forgotten"), 0),
        (("started",), 3),
        (("started", 2, "started"), 1),
        (("written", 2, "started"), 1),
    ],
    ids=lambda told: "-".join(map(str, told)) if isinstance(told, tuple) else None,
)
def test_when_the_news_of_one_are_written(told: tuple[str | int, ...], wait: float) -> None:
    lag, now = StatusThrottle(), 1000.0
    for each in told:
        match each:
            case "written":
                lag.written(RUN, now)
            case "started":
                lag.started(RUN, now)
            case "nothing new":
                lag.nothing_new(RUN)
            case "forgotten":
                lag.forget(RUN)
            case seconds:
                now += float(seconds)
    assert lag.wait(RUN, now) == pytest.approx(wait)


@pytest.mark.parametrize(("others", "wait"), [(0, 0.3), (9, 3), (19, 6), (99, 30), (999, 30), (3999, 120)])
def test_of_many_runs_news_wait_for_their_turn(others: int, wait: float) -> None:
    lag, runs = StatusThrottle(), of("ns", others + 1)
    for run in runs:
        lag.written(run, 0)
    waits = [lag.wait(run, 60) for run in runs]
    assert lag.wait(RUN, 60) == max(waits) == pytest.approx(wait)
    assert lag.wait(RUN, 60 + wait) == pytest.approx(0), "however often it is asked"
    for run in runs[1:]:
        lag.nothing_new(run)
    assert lag.wait(RUN, 60) == pytest.approx(0.3), "the others' updates are written"


def test_recently_written_run_waits_in_a_crowd_too() -> None:
    lag = StatusThrottle()
    for run in of("ns", 20):
        lag.written(run, 0)
        lag.wait(run, 0)
    lag.written(RUN, 4)
    assert lag.wait(RUN, 5) == 6, "its turn comes after the lag"


@pytest.mark.parametrize("own", [1, 7, 40])
def test_a_crowd_of_another_namespace_at_most_doubles_the_wait(own: int) -> None:
    """With a hundred times as many Runs in one other namespace, the updates of a few Runs take at most twice as long."""
    alone, beside = StatusThrottle(), StatusThrottle()
    crowd = of("noisy", 100 * own)
    for run in [*crowd, *of("quiet", own)]:
        beside.written(run, 0)
        beside.wait(run, 60)
    for run in of("quiet", own):
        alone.written(run, 0)
        alone.wait(run, 60)
    assert beside.wait(of("quiet", 1)[0], 60) == pytest.approx(2 * alone.wait(of("quiet", 1)[0], 60))
    assert beside.wait(crowd[0], 60) >= LEAST_SECONDS_EACH * 101 * own, "of them all no more is written than an API server takes"


def test_of_many_namespaces_news_wait_as_of_one() -> None:
    """A hundred namespaces with one Run each have no more writes a second than one with a hundred."""
    lag = StatusThrottle()
    for number in range(100):
        lag.written(run := RunKey(f"ns-{number}", "run", str(number)), 0)
        lag.wait(run, 60)
    assert lag.wait(RunKey("ns-0", "run", "0"), 60) == 30


def test_a_run_that_is_forgotten_leaves_the_crowd() -> None:
    """A Run whose updates are added, forgotten and added again counts once, and in the end not at all."""
    lag, other = StatusThrottle(), of("ns", 2)[1]
    for _ in range(3):
        lag.written(RUN, 0)
        lag.wait(RUN, 60)
        lag.wait(RUN, 60)
        lag.forget(RUN)
        lag.nothing_new(RUN)
    lag.written(other, 0)
    assert lag.wait(other, 60) == pytest.approx(0.3)


def test_a_deferred_update_comes_no_later_than_one_that_was_found_at_once() -> None:
    """A reconcile that comes when the change may be written finds it due, as old as the change."""
    at_once, deferred, runs = StatusThrottle(), StatusThrottle(), of("ns", 6)
    for throttle in (at_once, deferred):
        for run in runs:
            throttle.written(run, 100)
            throttle.begin(run)
    waits = [at_once.wait(run, 101) for run in runs]
    seconds = deferred.defer(RUN, 101)
    assert seconds == pytest.approx(waits[0])
    deferred.begin(RUN)
    assert deferred.wait(RUN, 101 + seconds) == pytest.approx(0)


def test_a_change_during_a_reconcile_keeps_its_time() -> None:
    """The reconcile that runs has not seen it; the next one has."""
    throttle = StatusThrottle()
    throttle.written(RUN, 100)
    throttle.begin(RUN)
    throttle.defer(RUN, 110)
    throttle.nothing_new(RUN)
    assert throttle.defer(RUN, 110.1) == pytest.approx(0.2), "it is 0.1 s old"
    throttle.begin(RUN)
    assert throttle.wait(RUN, 110.3) == pytest.approx(0)


@pytest.mark.parametrize("then", ["written", "nothing new"])
def test_a_change_that_was_seen_counts_once(then: str) -> None:
    """Once its reconcile has written the status, or found no difference, the next change has a time of its own."""
    throttle = StatusThrottle()
    throttle.written(RUN, 100)
    throttle.defer(RUN, 101)
    throttle.begin(RUN)
    if then == "written":
        throttle.written(RUN, 104)
    else:
        throttle.nothing_new(RUN)
    assert throttle.wait(RUN, 200) == pytest.approx(0.3)


def test_a_deferred_reconcile_of_a_crowd_waits_three_seconds_at_most() -> None:
    """Deadlines begin with it. A Run without a status waits for nothing, and a forgotten one is as new."""
    throttle, runs = StatusThrottle(), of("ns", 100)
    assert throttle.defer(RUN, 0) == 0
    for run in runs:
        throttle.written(run, 0)
        throttle.wait(run, 50)
    assert throttle.wait(RUN, 50) == pytest.approx(30)
    assert throttle.defer(RUN, 50) == 3
    throttle.forget(RUN)
    assert throttle.defer(RUN, 50) == 0
