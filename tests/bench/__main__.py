"""Controllers side by side: `make bench`, or `scripts/run python -m tests.bench --help`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from tests.bench import page
from tests.bench.controllers import Contestant, contestants
from tests.bench.machine import facts
from tests.bench.measured import Load, Result, Series
from tests.bench.profile import hottest, recording
from tests.bench.series import arena, play, told
from tests.bench.targets import OURS
from tests.bench.turn import take_turn
from tests.cluster.processes import interrupt_on_signals
from tests.cluster.progress import say

TABLE, PLOT, STACKS, PROFILE = "result.md", "result.svg", "profile.folded", "profile.md"
SHOWN_FUNCTIONS = 60
FAILING_COUNT = 200
"""Enough for a p99; the Job controller delays each of them by ten seconds."""


@click.command(context_settings={"show_default": True})
@click.option("--count", default=1000, help="Objects at once.")
@click.option("--curve", default="", help="Several counts instead, for example 100,1000,10000: each on an API server of its own.")
@click.option("--repetitions", default=3, help="Rounds; in each every controller has its turn.")
@click.option("--only", default="", help="Controllers, for example job,floor,runwatchman-status; all when empty.")
@click.option("--failing", default=FAILING_COUNT, help="Objects whose pods fail once, in a series of their own; 0 leaves it out.")
@click.option("--postgres", help="Also ours with this database: a postgresql:// URL.")
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of another revision: its operator is measured too, as runwatchman-base.",
)
@click.option("--profile", is_flag=True, help="Only sample where the CPU goes, of ours or of --only, and measure nothing.")
@click.option("--redraw", is_flag=True, help="Only recreate table and plot from the result file.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/bench"), help="Where results go.")
def main(
    count: int,
    curve: str,
    repetitions: int,
    only: str,
    failing: int,
    postgres: str | None,
    base: Path | None,
    profile: bool,
    redraw: bool,
    output: Path,
) -> None:
    """Measure the Job controller, a naive kopf operator, the bare protocol and ours, each alone in turn, on one API server."""
    interrupt_on_signals()
    output.mkdir(parents=True, exist_ok=True)
    if redraw:
        _tell(page.read(output / page.MADE), output)
        return
    with tempfile.TemporaryDirectory() as folder:
        chosen = _chosen(contestants(Path(folder), postgres, base), only or (OURS if profile else ""))
        if profile:
            _profile(chosen, count, output)
            return
        loads = [Load(number) for number in ([int(each) for each in curve.split(",")] if curve else [count])]
        loads += [Load(failing, failing=True)] if failing else []
        result = Result(facts())
        try:
            for load in loads:
                _measure(chosen, load, repetitions, result, partial(_keep, result, output))
        finally:  # Store the results so far after an interrupt, too.
            if any(each for series in result.series for each in series.rounds):
                _tell(result, output)


def _chosen(everybody: dict[str, Contestant], only: str) -> list[Contestant]:
    names = only.split(",") if only else list(everybody)
    if unknown := [name for name in names if name not in everybody]:
        raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(everybody)}", param_hint="--only")
    return [everybody[name] for name in names]


def _measure(chosen: Sequence[Contestant], load: Load, repetitions: int, result: Result, keep: Callable[[], None]) -> None:
    takers = [each for each in chosen if each.restarts or not load.failing]
    say(f"{load.count} {'that fail once' if load.failing else 'healthy'}: {', '.join(each.name for each in takers)}")
    result.series.append(Series(load.count, load.failing))
    with arena() as cluster:
        play(cluster, takers, load, repetitions, result.series[-1], keep)


def _profile(chosen: Sequence[Contestant], count: int, output: Path) -> None:
    for contestant in chosen:
        stacks = output / f"{contestant.name}-{STACKS}"
        with arena() as cluster:
            turn = take_turn(cluster, contestant, Load(count), partial(recording, stacks))
        head = f"{told(turn)}, sampled"
        text = "\n".join([head, "", *hottest(stacks.read_text().splitlines(), SHOWN_FUNCTIONS)]) + "\n"
        (output / f"{contestant.name}-{PROFILE}").write_text(text)
        click.echo(text)


def _keep(result: Result, output: Path) -> None:
    (output / page.MADE).write_text(page.written(result))


def _tell(result: Result, output: Path) -> None:
    from tests.bench.plot import draw  # matplotlib takes a second, and a turn is not to wait for it

    table = f"{page.told(result)}\n"
    (output / TABLE).write_text(table)
    (output / PLOT).write_text(draw(result.series))
    click.echo(table)


if __name__ == "__main__":
    main()
