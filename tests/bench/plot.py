"""The figures as a picture for light and dark pages. Only this module loads matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from tests.bench.figures import METRICS, Spread, spread
from tests.bench.measured import Series
from tests.bench.table import names

BARS = ("wall", "cpu", "server_cpu", "writes", "peak", "start_p99")
CURVES = ("wall_each", "cpu")
ACROSS = 3
INCHES, CURVE_INCHES = (11.0, 5.2), 3.0
SHOWN = 1000
"""The number of objects at once in the targets."""
ROOM = 0.28
"""Space for its figure next to the longest bar."""

PAPER, INK, FAINT = "#fefefd", "#24292e", "#d0d7dd"
DARK = {PAPER: "#1c2128", INK: "#d8dee4", FAINT: "#444c55"}
"""The colours in matplotlib's output, and their replacements for a dark system. The others are legible on both."""
COLOURS = {"job": "#4c7fd0", "naive": "#d0605e", "floor": "#8b949e"}
OURS = {"runwatchman-status": "#1f9d63", "runwatchman-annotations": "#52b788", "runwatchman-sqlite": "#74a57f"}
LINES = {"runwatchman-annotations": "--", "runwatchman-sqlite": ":"}
STYLE: dict[RcKeyType, Any] = {
    # The same figures make the same file, and its labels stay text.
    "svg.hashsalt": "runwatchman",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "figure.titlesize": 9.5,
    "savefig.facecolor": PAPER,
    "grid.color": FAINT,
    "axes.edgecolor": FAINT,
    "text.color": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(series: Sequence[Series]) -> str:
    """Return bars of the healthy series of a thousand, or the nearest to it, and curves if there are several; as SVG."""
    healthy = sorted((each for each in series if each.rounds and not each.failing), key=lambda each: each.count)
    with mpl.rc_context(STYLE):
        shown = min(healthy, key=lambda each: abs(each.count - SHOWN))
        curves = CURVES if len(healthy) > 1 else ()
        figure = Figure(figsize=(INCHES[0], INCHES[1] + CURVE_INCHES * bool(curves)), layout="constrained")
        heights = [INCHES[1], CURVE_INCHES][: 1 + bool(curves)]
        above, *below = figure.subfigures(len(heights), height_ratios=heights, squeeze=False).flat
        for axes, metric in zip(above.subplots(len(BARS) // ACROSS, ACROSS).flat, BARS, strict=True):
            _bars(axes, shown, metric)
            axes.tick_params(axis="y", length=0, labelleft=axes.get_subplotspec().is_first_col())
        above.suptitle(
            f"{shown.count:,} at once, each controller alone: median of {len(shown.rounds)}, least and most", x=0, ha="left"
        )
        if curves:
            for axes, metric in zip(below[0].subplots(1, len(curves)), curves, strict=True):
                _curve(axes, healthy, metric)
            below[0].legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(COLOURS | OURS), frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _themed(text.getvalue())


def _bars(axes: Axes, series: Series, metric: str) -> None:
    there = _found(series, metric)
    middles = [each.median for each in there.values()]
    ranges = [[each.median - each.least for each in there.values()], [each.most - each.median for each in there.values()]]
    colours = [_colour(name) for name in there]
    bars = axes.barh(list(there), middles, xerr=ranges, color=colours, capsize=2, error_kw={"lw": 0.9, "ecolor": INK})
    axes.bar_label(bars, fmt=f"%.{METRICS[metric].digits}f", padding=5)
    axes.set_xlim(0, max(each.most for each in there.values()) * (1 + ROOM))
    axes.xaxis.set_visible(False)
    axes.set_title(METRICS[metric].title)


def _found(series: Series, metric: str) -> Mapping[str, Spread]:
    found = {name: spread(series.rounds, name, metric) for name in reversed(names(series.rounds))}
    return {name: each for name, each in found.items() if each}


def _curve(axes: Axes, healthy: Sequence[Series], metric: str) -> None:
    for name in names([each for series in healthy for each in series.rounds]):
        points = [(series.count, found.median) for series in healthy if (found := spread(series.rounds, name, metric))]
        axes.plot(*zip(*points, strict=True), marker="o", ms=3, ls=LINES.get(name, "-"), color=_colour(name), label=name)
    axes.set(xscale="log", title=f"{METRICS[metric].title}, by how many at once")
    axes.set_xticks([each.count for each in healthy], [f"{each.count:,}" for each in healthy], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")


def _colour(name: str) -> str:
    return {**COLOURS, **OURS}.get(name, OURS["runwatchman-status"])


def _themed(svg: str) -> str:
    """Let the reader's system choose between the light and the dark colours."""
    for number, colour in enumerate(DARK):
        svg = svg.replace(colour, f"var(--c{number})")
    light, dark = ("".join(f"--c{number}:{each};" for number, each in enumerate(found)) for found in (DARK, DARK.values()))
    style = f"<style>:root{{{light}}} @media (prefers-color-scheme: dark) {{:root{{{dark}}}}}</style>"
    head, _, rest = svg.partition("<defs>")
    return f"{head}{style}\n<defs>{rest}"
