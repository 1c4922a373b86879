"""How long news wait: three seconds since the last write, of many Runs longer, and never the first word on a Run."""

import pytest

from controller.lag import Lag


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
    ],
    ids=lambda told: "-".join(map(str, told)) if isinstance(told, tuple) else None,
)
def test_when_the_news_of_one_are_written(told: tuple[str | int, ...], wait: float) -> None:
    lag, now = Lag(), 1000.0
    for each in told:
        match each:
            case "written":
                lag.written("uid", now)
            case "nothing new":
                lag.nothing_new("uid")
            case "forgotten":
                lag.forget("uid")
            case seconds:
                now += float(seconds)
    assert lag.wait("uid", now) == pytest.approx(wait)


@pytest.mark.parametrize(("others", "wait"), [(0, 0.3), (9, 3), (19, 6), (99, 30), (999, 30), (3999, 120)])
def test_of_many_runs_news_wait_for_their_turn(others: int, wait: float) -> None:
    lag = Lag()
    names = [str(number) for number in range(others + 1)]
    for name in names:
        lag.written(name, 0)
    waits = [lag.wait(name, 60) for name in names]
    assert lag.wait("0", 60) == max(waits) == pytest.approx(wait)
    assert lag.wait("0", 60 + wait) == pytest.approx(0), "however often it is asked"
    for name in names[1:]:
        lag.nothing_new(name)
    assert lag.wait("0", 60) == pytest.approx(0.3), "what the others had to say is said"


def test_who_has_just_been_written_of_waits_in_a_crowd_too() -> None:
    lag = Lag()
    for number in range(20):
        lag.written(str(number), 0)
        lag.wait(str(number), 0)
    lag.written("0", 4)
    assert lag.wait("0", 5) == 6, "its turn comes after the lag"
