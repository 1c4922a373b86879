"""`inbox`: shows the escalations that wait for a human, the oldest first."""

from __future__ import annotations

import click

from controller.api.names import LABEL_RUN
from controller.cli.rw import halt_lookup, options
from controller.cli.rw.kubectl import Call, with_flags
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, items_of, name_of, oldest_first, waits
from controller.cli.rw.responses import how_to_answer
from controller.cli.rw.session import ESCALATIONS, Session, with_kubectl_flags


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=options.inbox_names)
@options.all_namespaces
@options.selector
@options.output(*options.MACHINE)
@with_kubectl_flags
def inbox(session: Session, names: tuple[str, ...], all_namespaces: bool, selector: str | None, output: str | None) -> None:
    """Show open escalations, who may answer them and until when; with a NAME, show its full text."""
    kubectl = session.kubectl
    where = (*(("-A",) if all_namespaces else ()), *(("-l", selector) if selector else ()))
    if output:
        _for_programs(session, names, where, output)
        return
    whoami = kubectl.start("auth", "whoami", "-o", "json")
    halted = halt_lookup.begin(session, everywhere=all_namespaces)
    if names:
        _show(session, [escalation for name in names for escalation in _named(session, name)], _me(whoami))
        return
    listing = kubectl.start("get", ESCALATIONS, *where, "-o", "json")
    from controller.cli.rw.inbox_view import inbox_table

    waiting = oldest_first(items_of(listing.json()))
    if not waiting:
        click.echo("Nothing waits for an answer.", err=True)
        session.hint(
            *halt_lookup.hints(halted), f"status of the Runs: {session.command('get', *(['-A'] if all_namespaces else []))}"
        )
        return
    session.show(inbox_table(waiting, _me(whoami), session.now, session.width(), spaces=all_namespaces))
    where_it_is = ("-n", waiting[0]["metadata"]["namespace"]) if all_namespaces else ()
    session.hint(
        *halt_lookup.hints(halted),
        f"read the oldest: {session.command('inbox', name_of(waiting[0]), *where_it_is)}",
        *_commands(session, waiting[0], where_it_is),
    )


def _named(session: Session, name: str) -> list[JsonObject]:
    """Return the escalation of this name, or the open ones of the Run of this name. Raises Problem if there is neither."""
    of_run = session.kubectl.start("get", ESCALATIONS, "-l", f"{LABEL_RUN}={name}", "-o", "json")
    try:
        return [session.kubectl.json("get", ESCALATIONS, name)]
    except Refused as refused:
        if refused.reason != "NotFound":
            raise
    found = oldest_first(items_of(of_run.json()))
    if not found:
        raise session.missing(ESCALATIONS, "escalation", name)
    return found


def _for_programs(session: Session, names: tuple[str, ...], where: tuple[str, ...], output: str) -> None:
    """Print in kubectl's format: the named escalations, or all open ones."""
    import json

    if names:
        raise click.exceptions.Exit(session.kubectl.hand_over("get", ESCALATIONS, *names, *where, "-o", output))
    waiting = oldest_first(items_of(session.kubectl.json("get", ESCALATIONS, *where)))
    if output == "name":
        click.echo("".join(f"escalation.runwatchman.dev/{name_of(escalation)}\n" for escalation in waiting), nl=False)
        return
    found = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": waiting}
    if output == "json":
        click.echo(json.dumps(found, indent=4))
        return
    import yaml

    click.echo(yaml.safe_dump(found, sort_keys=False, width=120), nl=False)


def _show(session: Session, escalations: list[JsonObject], me: set[str]) -> None:
    from controller.cli.rw.inbox_view import in_full

    for number, escalation in enumerate(escalations):
        if number:
            click.echo()
        session.show(in_full(escalation, me, session.now, session.width()))
        if waits(escalation):
            session.hint(*_commands(session, escalation))


def _commands(session: Session, escalation: JsonObject, where: tuple[str, ...] = ()) -> list[str]:
    words = [session.command(*with_flags(words, where)) for words in how_to_answer(escalation)]
    return [f"answer it:       {words[0]}", *(f"             or: {more}" for more in words[1:])] if words else []


def _me(whoami: Call) -> set[str]:
    """Return the caller's name and groups; empty if the API server does not tell them."""
    try:
        info = whoami.json()["status"]["userInfo"]
    except Refused:
        return set()
    return {info["username"], *info.get("groups", ())}
