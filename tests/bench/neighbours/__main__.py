"""Two tenants of one operator, one with a hundred times the other's load: the delay of the other's changes in a status.

scripts/run python -m tests.bench.neighbours [--factor N] [--stories N] [--cluster NAME]
"""

from __future__ import annotations

import asyncio
import json

import click

from controller.api.base import JsonObject
from tests.bench.neighbours.campaign import campaign, staged
from tests.bench.neighbours.plan import Plan
from tests.bench.restarts import bench_cluster
from tests.cluster.progress import say


@click.command()
@click.option("--factor", default=100, show_default=True, help="How many times the other's load the noisy tenant has.")
@click.option("--stories", default=20, show_default=True, help="Runs of the quiet tenant in each turn: five changes each.")
@click.option("--side-by-side", default=2, show_default=True, help="How many of them at once; the crowd has factor times as many.")
@click.option(
    "--rate", default=0.3, show_default=True, help="The quiet tenant's changes a second; the crowd makes factor times as many."
)
@click.option("--cluster", "there", help="An api cluster that `python -m tests.cluster up --kwok 2` has left; else one is made.")
def main(there: str | None, **told: float) -> None:
    """Measure the quiet tenant alone, next to the noisy one, and alone again."""
    plan = Plan(**told)  # type: ignore[arg-type]  # click has seen to the numbers
    with bench_cluster("api", there) as cluster, staged(cluster, plan) as stage:
        figures = asyncio.run(campaign(stage, plan, say))
    click.echo("\n".join(table(figures)))
    click.echo(json.dumps(figures))


def table(figures: JsonObject) -> list[str]:
    """Return the lines of a table in Markdown."""
    head = [
        "| change -> status, s | n | alone p50 | p99 | beside p50 | p99 | ratio p50 | p99 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return [*head, *(_row(name, figures) for name in figures["ratios"])]


def _row(name: str, figures: JsonObject) -> str:
    alone, beside, ratio = (figures[turn][name] for turn in ("alone", "beside", "ratios"))
    times = " | ".join(f"{each[part]:.3f}" for each in (alone, beside) for part in ("p50", "p99"))
    return f"| {name} | {alone['number']} + {beside['number']} | {times} | {ratio['p50']} | {ratio['p99']} |"


if __name__ == "__main__":
    main()
