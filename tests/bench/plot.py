"""The figures as a picture. The one module that loads matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.figures import METRICS, spread
from tests.bench.measured import Series
from tests.bench.table import names

BARS = ("wall", "cpu", "server_cpu", "writes")
CURVE = "wall"
INCHES = (12.0, 7.0)
COLOURS = {"job": "#4c72b0", "naive": "#c44e52", "floor": "#8c8c8c"}
OURS = "#2a9d5c"
FONT_POINTS = 9.0
SHOWN = 1000


def draw(series: Sequence[Series], to: Path) -> None:
    """Write bars of the last healthy series, and a curve over all of them where there are several."""
    healthy = sorted((each for each in series if not each.failing), key=lambda each: each.count)
    # The same figures make the same file, whose words stay words.
    with mpl.rc_context({"svg.hashsalt": "runwarden", "svg.fonttype": "none", "font.size": FONT_POINTS}):
        figure = Figure(figsize=INCHES, layout="constrained")
        panels = list(figure.subplots(2, 3).flat)
        for axes, metric in zip(panels, BARS, strict=False):
            _bars(axes, _shown(healthy), metric)
        _curve(panels[-2], healthy, "wall")
        _curve(panels[-1], healthy, "cpu")
        figure.savefig(to, format="svg", metadata={"Date": None})


def _shown(healthy: Sequence[Series]) -> Series:
    """The series of a thousand, which the targets are about, or the nearest to it."""
    return min(healthy, key=lambda each: abs(each.count - SHOWN))


def _bars(axes: Axes, series: Series, metric: str) -> None:
    found = {name: spread(series.rounds, name, metric) for name in reversed(names(series.rounds))}
    there = {name: each for name, each in found.items() if each}
    middles = [each.median for each in there.values()]
    ranges = [[each.median - each.least for each in there.values()], [each.most - each.median for each in there.values()]]
    bars = axes.barh(list(there), middles, xerr=ranges, color=[_colour(name) for name in there], capsize=2, error_kw={"lw": 0.8})
    axes.bar_label(bars, fmt=f"%.{METRICS[metric].digits}f", padding=6)
    axes.margins(x=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{METRICS[metric].title}, {series.count:,} at once")


def _curve(axes: Axes, healthy: Sequence[Series], metric: str) -> None:
    for name in names([each for series in healthy for each in series.rounds]):
        points = [(series.count, found.median) for series in healthy if (found := spread(series.rounds, name, metric))]
        line = "-" if name in COLOURS or name.endswith("status") else ":"
        axes.plot(*zip(*points, strict=True), marker="o", ms=3, ls=line, color=_colour(name), label=name)
    axes.set(xscale="log", title=f"{METRICS[metric].title}, by number at once")
    if metric == CURVE:
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=7)


def _colour(name: str) -> str:
    return COLOURS.get(name, OURS)
