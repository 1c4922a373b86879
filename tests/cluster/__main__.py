"""`python -m tests.cluster`: clusters by hand."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from tests.cluster import lifecycle
from tests.cluster.progress import ClusterError
from tests.cluster.releases import RELEASES
from tests.cluster.settings import cache_dir


@click.group()
def main() -> None:
    """Bring up, list and end clusters for tests."""


@main.command()
@click.option("--cluster", "provider", type=click.Choice(lifecycle.PROVIDERS), default="auto", show_default=True)
@click.option("--name", default="dev", show_default=True, help="A name of your choice.")
@click.option("--nodes", type=click.IntRange(1, 5), default=1, show_default=True, help="kind's nodes.")
@click.option("--kwok", "kwok_nodes", type=click.IntRange(0, 100), default=0, show_default=True, help="Simulated nodes (api).")
def up(provider: str, name: str, nodes: int, kwok_nodes: int) -> None:
    """Bring up a cluster that stays until `down`."""
    cluster = lifecycle.up(provider, name=name, nodes=nodes, kwok_nodes=kwok_nodes, keep=True)
    click.echo(f"export KUBECONFIG={cluster.kubeconfig}\n# end it with: python -m tests.cluster down {name}")


@main.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="End every cluster.")
def down(name: str | None, everything: bool) -> None:
    """End a cluster and remove its files."""
    for each in lifecycle.clusters() if everything else [name or "dev"]:
        lifecycle.down(each)


@main.command()
@click.argument("name", default="dev")
def kubeconfig(name: str) -> None:
    """Print the path of a cluster's kubeconfig."""
    click.echo(lifecycle.attach(name).kubeconfig)


@main.command()
@click.argument("name")
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
def logs(name: str, to: Path) -> None:
    """Copy the logs of a cluster's components into a folder."""
    lifecycle.attach(name).export_logs(to)


@main.command(name="list")
def list_() -> None:
    """Print the names of the existing clusters."""
    for name in lifecycle.clusters():
        click.echo(name)


@main.command()
@click.option("--ends", is_flag=True, help="The oldest and the newest alone.")
def versions(ends: bool) -> None:
    """Print the versions of Kubernetes that clusters can have, the oldest first: values of RUNWATCHMAN_KUBERNETES."""
    for each in (RELEASES[0], RELEASES[-1]) if ends else RELEASES:
        click.echo(each.kubernetes)


@main.command()
def clean() -> None:
    """End the leftovers of killed runs; the next run would, too."""
    lifecycle.clean()


@main.command()
def purge() -> None:
    """Empty the cache of built and downloaded binaries."""
    shutil.rmtree(cache_dir())


if __name__ == "__main__":
    try:
        main()
    except ClusterError as error:
        sys.exit(f"error: {error}")
