"""One operator and ten thousand Runs: the cost to start, to idle, to act, and to survive a storm.

scripts/run python -m tests.bench.scale [--runs N] [--cluster NAME]: figures as one line of JSON a phase, progress on stderr.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from controller.api.base import JsonObject
from tests.bench.scale.campaign import Campaign
from tests.bench.scale.plan import PHASES, Plan
from tests.bench.scale.simulated_runs import staged
from tests.bench.wire import session
from tests.cluster import Cluster, lifecycle
from tests.cluster.progress import say
from tests.conftest import install

NODES = 4


@click.command()
@click.option("--runs", default=10_000, show_default=True, help="Runs at the end; a tenth of them is taken by itself first.")
@click.option("--copied", default=0, show_default=True, help="How many of them are put into etcd as copies of one at work.")
@click.option("--dying", default=10_000, show_default=True, help="How many agents die at once in a storm, at the most.")
@click.option("--rate", default=200.0, show_default=True, help="Events a second in the phase `events`.")
@click.option("--deaths", default=10.0, show_default=True, help="How many of these a second are an agent's death.")
@click.option("--seconds", default=60.0, show_default=True, help="How long the phases idle, events and reports take.")
@click.option("--storms", default=1, show_default=True, help="How often every agent dies at once.")
@click.option("--reports", default=1_000, show_default=True, help="Reporters that write once a minute.")
@click.option("--phases", default=",".join(PHASES), show_default=True, help="What is measured, in this order, after the fill.")
@click.option("--cluster", "there", help="An api cluster that `python -m tests.cluster up --kwok 4` has left; else one is made.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the figures go as well.")
def main(there: str | None, phases: str, output: Path | None, **told: float) -> None:
    """Measure one operator with many Runs."""
    plan = Plan(**told, phases=tuple(phases.split(",")))  # type: ignore[arg-type]  # click has seen to the numbers
    lines: list[JsonObject] = []

    def tell(figures: JsonObject) -> None:
        lines.append(figures)
        click.echo(json.dumps(figures))
        if output:
            output.write_text("".join(json.dumps(line) + "\n" for line in lines))

    cluster = lifecycle.attach(there) if there else lifecycle.up("api", kwok_nodes=NODES)
    cluster = replace(cluster, audit_log=cluster.directory / "audit.jsonl")
    try:
        install(cluster)
        campaign(cluster, plan, tell, say)
    finally:
        if not there:
            lifecycle.end(cluster)


def campaign(cluster: Cluster, plan: Plan, tell: Callable[[JsonObject], None], progress: Callable[[str], None]) -> None:
    """Run the campaign, and print the figures of each phase as soon as it is over."""
    with staged(cluster) as stage:

        async def measure() -> None:
            async with session(cluster.kubeconfig) as http:
                await Campaign(http, stage, plan, progress).take(tell)

        asyncio.run(measure())


if __name__ == "__main__":
    main()
