"""The campaign against every store, with progress, and a table in Markdown at the end.

scripts/run python -m tests.chaos [--kills N] [--seed S] [--store NAME]... [--cluster NAME]
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import click

from tests.chaos.campaign import Campaign, Report
from tests.chaos.evidence import INCOMPLETE, watching
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.series import sum_of, teller
from tests.installed_cluster import installed_cluster
from tests.kind.each_store import STORES
from tests.postgres import postgres_server

NODES = 2
HEAD = """\
| store | waves | kills | at a step | Runs | pods started | restarts charged | differences and violations |
|---|---|---|---|---|---|---|---|"""


@click.command()
@click.option("--kills", default=100, show_default=True, help="SIGKILLs in all, shared by the stores.")
@click.option("--seed", type=int, help="Seed for the moments; printed if it is not given.")
@click.option("--store", "stores", multiple=True, type=click.Choice(STORES), help="Only these stores.")
@click.option("--scenario", "names", multiple=True, help="Only these scenarios.")
@click.option("--at-once", default=2, show_default=True, help="Stores side by side; each takes a core.")
@click.option("--cluster", "there", help="A kind cluster that `python -m tests.cluster up` has left; else one is made.")
def main(kills: int, seed: int | None, stores: Sequence[str], names: Sequence[str], at_once: int, there: str | None) -> None:
    """Kill the operator at random moments and compare the ends."""
    seed = random.randrange(2**32) if seed is None else seed  # noqa: S311  # no secret
    tell = teller()
    tell(f"seed {seed}")
    with ExitStack() as stack:
        cluster = stack.enter_context(installed_cluster(there, nodes=NODES))
        evidence = stack.enter_context(watching(cluster))
        urls = {name: _store(name, stack) for name in stores or STORES}
        scenarios = [each for each in SCENARIOS if not names or each.name in names]
        campaign = Campaign(cluster, evidence, scenarios, seed, tell)
        with ThreadPoolExecutor(at_once) as pool:
            shares = _shares(kills, len(urls))
            reports = list(pool.map(campaign.against, urls, urls.values(), shares))
        complete = evidence.complete
    click.echo("\n".join([HEAD, *(_row(report.store, [report]) for report in reports), _row("all", reports)]))
    for report in reports:
        for text in [*report.faults, *(f"ended by itself: {last}" for last in report.toll.ended_by_itself)]:
            click.echo(f"{report.store}: {text}")
    if not complete:
        click.echo(INCOMPLETE)
    sys.exit(0 if complete and all(report.good for report in reports) else 1)


def _store(name: str, stack: ExitStack) -> str:
    """Return the `--store` of a kind of store, on a database of its own."""
    if name == "sqlite":
        return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/state.db"
    if name == "postgresql":
        return stack.enter_context(postgres_server()).database()
    return name


def _shares(kills: int, stores: int) -> list[int]:
    """Divide the kills; the first stores get the remainder."""
    return [kills // stores + (number < kills % stores) for number in range(stores)]


def _row(name: str, reports: Sequence[Report]) -> str:
    kills, steps = sum(report.toll.kills for report in reports), sum(report.toll.at_a_step for report in reports)
    found = sum_of(reports)
    return f"| {name} | {found.waves} | {kills} | {steps} | {found.runs} | {found.started} | {found.charged} | {found.verdict} |"


if __name__ == "__main__":
    main()
