"""`providers`: shows the providers of agents: whether they are open, until when they are closed, and who waits."""

from __future__ import annotations

import click

from controller.cli.rw import options
from controller.cli.rw.objects import items_of
from controller.cli.rw.session import PROVIDERS, Session, with_kubectl_flags


@click.command()
@click.argument("names", metavar="[PROVIDER]...", nargs=-1)
@options.all_namespaces
@options.output(*options.MACHINE)
@with_kubectl_flags
def providers(session: Session, names: tuple[str, ...], all_namespaces: bool, output: str | None) -> None:
    """Show providers: their state, until when they are closed, their active and waiting agents, and the limit."""
    where = ("-A",) if all_namespaces else ()
    if output:
        raise click.exceptions.Exit(session.kubectl.hand_over("get", PROVIDERS, *names, *where, "-o", output))
    asked = session.kubectl.start("get", PROVIDERS, *names, *where, "-o", "json")
    from controller.cli.rw.providers_view import providers_table

    found = items_of(asked.json())
    if not found:
        click.echo("No Providers found.", err=True)
        return
    session.show(providers_table(found, session.now, session.width(), spaces=all_namespaces))
