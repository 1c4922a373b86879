"""The campaign: every configuration, or every mutant, with progress, and a table in Markdown at the end.

scripts/run python -m tests.model [--config NAME]... [--mutants] [--limit N]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import click

from tests.model.checker import Result, Search
from tests.model.configs import CONFIGS, MUTANT_CONFIGS
from tests.model.mutant import Mutant
from tests.model.mutants import MUTANTS
from tests.model.world import Config


@click.command()
@click.option("--config", "names", multiple=True, help="Only these configurations.")
@click.option("--mutants", is_flag=True, help="Switch off one guard at a time; each must be noticed.")
@click.option("--mutant", "chosen", multiple=True, help="Only these mutants.")
@click.option("--limit", default=8_000_000, help="States after which a search is given up as incomplete.")
def main(*, names: Sequence[str], mutants: bool, chosen: Sequence[str], limit: int) -> None:
    """Check the shipped decisions against the model cluster."""
    if mutants or chosen:
        found = [mutant for mutant in MUTANTS if not chosen or mutant.name in chosen]
        sys.exit(_report(_mutants(found, limit), MUTANT_HEAD))
    sys.exit(_report(_campaign([config for config in CONFIGS if not names or config.name in names], limit), HEAD))


Row = tuple[str, bool]
"""A line of the table, and whether its result is as expected."""

HEAD = "| configuration | states | moves | depth | clusters judged | seconds | result |\n|---|---|---|---|---|---|---|"
MUTANT_HEAD = "| mutant | the guard that is off | configuration | states | result |\n|---|---|---|---|---|"


def _report(rows: Iterator[Row], head: str) -> int:
    """Print the table; return the exit code, which is 1 if any result differs from the expected one."""
    done = list(rows)
    click.echo("\n".join([head, *(text for text, _ in done)]))
    return 0 if all(good for _, good in done) else 1


def _campaign(configs: Sequence[Config], limit: int) -> Iterator[Row]:
    for config in configs:
        result, seconds = _search(config, limit)
        verdict = result.violation or ("no violation" if result.complete else "no violation so far")
        numbers = f"{result.states:,} | {result.moves:,} | {result.depth} | {result.clusters:,} | {seconds:.0f}"
        yield f"| {config.name}: {config.about} | {numbers} | {verdict} |", not result.violation and result.complete


def _mutants(mutants: Sequence[Mutant], limit: int) -> Iterator[Row]:
    for mutant in mutants:
        with mutant.applied():
            result = noticed(mutant, limit)
        caught = bool(result.violation)
        verdict = result.violation if caught else f"not noticed: {mutant.redundant or 'WHY?'}"
        text = f"| {mutant.name} | {mutant.about} | {result.config} | {result.states:,} | {verdict} |"
        yield text, caught != bool(mutant.redundant)


def noticed(mutant: Mutant, limit: int) -> Result:
    """Search the mutant's configurations until one detects it; return the last result."""
    for name in mutant.configs:
        config = next(config for config in MUTANT_CONFIGS if config.name == name)
        result, _ = _search(config, limit)
        if result.violation:
            break
    return result


def _search(config: Config, limit: int) -> tuple[Result, float]:
    started = monotonic()
    result = Search(config).run(limit, _progress(config.name, started))
    for number, step in enumerate(result.trace, 1):
        click.echo(f"  {number:3} {step}", err=True)
    if result.violation:
        click.echo(f"      => {result.violation}", err=True)
    return result, monotonic() - started


def _progress(name: str, started: float) -> Callable[[int, int], None]:
    def show(states: int, waiting: int) -> None:
        rate = states / max(monotonic() - started, 0.001)
        click.echo(f"{name}: {states:,} states, {waiting:,} to expand, {rate:,.0f} a second", err=True)

    return show


if __name__ == "__main__":
    main()
