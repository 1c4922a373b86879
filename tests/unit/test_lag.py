"""How long news wait: three seconds since they came up, whatever was written before, and never the first word on a Run."""

import pytest

from controller.lag import Lag


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ((), 0),
        (("written",), 3),
        (("written", 600), 3),
        (("written", "news", 1), 2),
        (("written", "news", 1, "news", 2), 0),
        (("written", "news", 2, "written"), 3),
        (("written", "news", 2, "nothing new"), 3),
        (("nothing new",), 0),
        (("written", "news", 2, "forgotten"), 0),
    ],
    ids=lambda told: "-".join(map(str, told)) if isinstance(told, tuple) else None,
)
def test_when_news_are_written(told: tuple[str | int, ...], wait: float) -> None:
    lag, now = Lag(), 1000.0
    for each in told:
        match each:
            case "written":
                lag.written("uid")
            case "nothing new":
                lag.nothing_new("uid")
            case "forgotten":
                lag.forget("uid")
            case "news":
                lag.wait("uid", now)
            case seconds:
                now += float(seconds)
    assert lag.wait("uid", now) == wait


def test_runs_lag_by_themselves() -> None:
    lag = Lag()
    lag.written("one")
    lag.written("other")
    lag.wait("one", 0)
    assert (lag.wait("one", 2), lag.wait("other", 2)) == (1, 3)


@pytest.mark.parametrize(("others", "wait"), [(0, 3), (9, 3), (19, 6), (99, 30), (999, 30)])
def test_of_many_runs_news_wait_longer(others: int, wait: float) -> None:
    lag = Lag()
    for number in range(others + 1):
        lag.written(str(number))
        lag.wait(str(number), 0)
    assert lag.wait("0", 0) == wait
    for number in range(1, others + 1):
        lag.written(str(number))
    assert lag.wait("0", 0) == 3, "what the others had to say is said"
