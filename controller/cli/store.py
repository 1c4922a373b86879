"""`runwatchman store`: shows a store, and moves Runs from one store to another."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from controller.errors import RunwatchmanError
from controller.store.factory import check_store_name

T = TypeVar("T")
LEASE_SECONDS = 30.0
"""How long to wait for the Lease: twice the lease duration of a killed operator."""


class StoreName(click.ParamType[str]):
    """A parameter type: the name of a store, or a database's URL."""

    name = "STORE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name if the store exists; otherwise fail with a list of the choices."""
        try:
            return check_store_name(value)
        except RunwatchmanError as error:
            self.fail(str(error), param, ctx)


STORE = StoreName()
KUBECONFIG = click.option(
    "--kubeconfig", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Kubeconfig of the API server."
)


@click.group()
def store() -> None:
    """Work with the store of the operator's states: status, annotations, or a database's URL."""


@store.command()
@click.option("--store", "name", type=STORE, default="status", show_default=True, help="The store to show.")
@KUBECONFIG
def show(name: str, kubeconfig: Path | None) -> None:
    """Print a store's ID, its schema and its number of states. Changes nothing."""
    from controller.store.description import describe_database

    description = _run(describe_database(name) if "://" in name else _describe_on_runs(name, kubeconfig))
    click.echo(f"id: {description.id}\nschema: {description.schema}\nstates: {description.states}")
    if description.migrated_to:
        click.echo(f"migrated to: {description.migrated_to}")


@store.command(context_settings={"show_default": True})
@click.option("--from", "source", type=STORE, required=True, help="The store of the Runs now.")
@click.option("--to", "target", type=STORE, required=True, help="The store to move them to.")
@KUBECONFIG
@click.option("--namespace", "namespaces", multiple=True, help="Move only the Runs of this namespace; may be given several times.")
@click.option("--lease-name", default="runwatchman", help="Name of the Lease that the operator holds.")
@click.option("--lease-namespace", help="Namespace of that Lease; default: the namespace in which it is found.")
@click.option("--lease-timeout", type=click.FloatRange(0.1, 86_400), default=LEASE_SECONDS, help="Seconds to wait for that Lease.")
def migrate(source: str, target: str, **options: Any) -> None:
    """Move every Run from one store to another. Scale the operator down first; may be interrupted and run again."""
    from controller.observability.logs import configure

    configure("console", "warning")
    summary = _run(_migrate(source, target, **options))
    click.echo(f"{summary.moved} moved, {summary.skipped} skipped, {summary.failed} failed")
    if summary.failed:
        click.echo("the old store was not marked as migrated: fix the Runs that failed, and run this again", err=True)
        sys.exit(1)
    if not summary.marked:
        click.echo("the old store was not marked as migrated: it still has Runs of other namespaces")


async def _describe_on_runs(name: str, kubeconfig: Path | None) -> Any:
    from controller.kube.client import Client
    from controller.kube.connection import connect
    from controller.store.description import describe_on_runs

    async with Client(await connect(kubeconfig)) as client:
        return await describe_on_runs(client, name)


async def _migrate(
    source: str,
    target: str,
    *,
    kubeconfig: Path | None,
    namespaces: tuple[str, ...],
    lease_name: str,
    lease_namespace: str | None,
    lease_timeout: float,
) -> Any:
    from controller.kube.client import Client
    from controller.kube.connection import connect
    from controller.leadership import exclusive
    from controller.store import factory
    from controller.store.migrate import Migration

    connection = await connect(kubeconfig)
    async with Client(connection) as client:
        place = lease_namespace or await exclusive.lease_namespace(client, lease_name, connection.namespace)
        stores = [factory.make_store(name, client, even_if_migrated=True) for name in (source, target)]
        try:
            work = Migration(client, stores[0], stores[1], click.echo).run
            return await exclusive.run_exclusively(client, place, lease_name, lease_timeout, lambda: work(namespaces))
        finally:
            for opened in stores:
                await opened.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; print an expected error in one line, without a traceback."""
    try:
        return asyncio.run(work)
    except (RunwatchmanError, OSError) as error:
        click.echo(f"runwatchman: {error}", err=True)
        sys.exit(1)
