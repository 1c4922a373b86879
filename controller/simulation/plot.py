"""Pictures of simulations, as SVG. matplotlib is imported only here, and only when a picture is drawn: it is the extra `plot`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

from controller.api.strict_file import FileRefused
from controller.simulation.document import Played, Setting
from controller.simulation.figures import COMPLETED, FALSE_STOPS, STUCK, Measure

SUFFIX = ".svg"
HOUR, HUNDRED = 3600, 100
WIDTH, HEIGHT = 9.0, 4.5
STYLE: Any = {
    "svg.hashsalt": "runwatchman",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""`hashsalt` makes the IDs in the file the same each time."""


def require(picture: Path) -> None:
    """Raise FileRefused if no picture can be drawn into this file."""
    option = f"--plot {picture}"
    if picture.suffix != SUFFIX:
        raise FileRefused.of(option, f"must end in {SUFFIX}: pictures are drawn as SVG")
    if not picture.absolute().parent.is_dir():
        raise FileRefused.of(option, "is in a folder that does not exist: create it")
    if find_spec("matplotlib") is None:
        raise FileRefused.of(option, "needs matplotlib, which is not installed: pip install 'runwatchman[plot]'")


def draw(setting: Setting, played: Sequence[Played]) -> str:
    """Return the picture: of a sweep the trade-off, else how many Runs are complete after each time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        if setting.sweep:
            _trade_off(figure, setting, played)
        else:
            _completion(figure.add_subplot(), setting, played)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in file.getvalue().decode().splitlines()) + "\n"


def _completion(axes: Any, setting: Setting, played: Sequence[Played]) -> None:
    """Draw the share of the Runs that are complete after each time."""
    for each in played:
        times = sorted(result.finished_seconds / HOUR for result in each.results if result.completed and result.finished_seconds)
        shares = [HUNDRED * (index + 1) / len(each.results) for index in range(len(times))]
        end = setting.scenario.horizon_seconds / HOUR
        axes.step([0, *times, end], [0, *shares, shares[-1] if shares else 0], where="post", label=each.policy)
    axes.set(xlabel="hours since the Run's creation", ylabel="Runs completed, %", ylim=(0, HUNDRED), title=_title(setting))
    axes.set_xlim(0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)


def _trade_off(figure: Any, setting: Setting, played: Sequence[Played]) -> None:
    """Draw false stops against the time lost to hangs and loops, and beside that the completed share by the field's value."""
    left, right = figure.subplots(1, 2)
    for policy, group in groupby(played, key=lambda each: each.policy):
        points = list(group)
        _curve(left, policy, points)
        bounds = [_bounds(COMPLETED, each, HUNDRED) for each in points]
        places = list(range(len(points)))
        right.errorbar(places, [each[0] for each in bounds], yerr=_errors(bounds), fmt="o-", capsize=3, label=policy)
        right.set_xticks(places, [str(each.value) for each in points], rotation=45, ha="right")
    left.set(xlabel="agents stopped that would have finished, per 100 Runs", ylabel="agents hanging or looping, hours per Run")
    right.set(xlabel=setting.sweep, ylabel="Runs completed, %")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle(_title(setting))
    right.legend(loc="best", frameon=False)


def _curve(axes: Any, policy: str, points: Sequence[Played]) -> None:
    stops = [_bounds(FALSE_STOPS, each, HUNDRED) for each in points]
    times = [_bounds(STUCK, each, 1 / HOUR) for each in points]
    axes.errorbar(
        [each[0] for each in stops],
        [each[0] for each in times],
        xerr=_errors(stops),
        yerr=_errors(times),
        fmt="o-",
        capsize=3,
        label=policy,
    )
    for each, stop, time in zip(points, stops, times, strict=True):
        axes.annotate(str(each.value), (stop[0], time[0]), textcoords="offset points", xytext=(6, 6))


def _bounds(measure: Measure, played: Played, scale: float) -> tuple[float, float, float]:
    """Return a figure and its interval, scaled. A bound that is unknown is drawn as the figure itself."""
    figure = measure.figure(played.results)
    value = figure.value or 0.0
    low, high = (value if bound is None else bound for bound in (figure.low, figure.high))
    return value * scale, low * scale, high * scale


def _errors(bounds: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    return [[value - low for value, low, _ in bounds], [high - value for value, _, high in bounds]]


def _title(setting: Setting) -> str:
    return f"{setting.name}: {setting.runs:,} Runs, seed {setting.seed}"
