"""`rerun`, and what it shares with `run`: a Run is created, printed or watched."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from controller.cli.rw import options
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.manifest import copy_of, next_name
from controller.cli.rw.objects import TERMINAL, JsonObject, items_of, name_of, phase_of, status_of
from controller.cli.rw.session import RUNS, Session, with_kubectl_flags
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.user_error import Problem

F = TypeVar("F", bound=Callable[..., Any])
RUN_NAME = RUNS.replace("runs", "run", 1)
"""The kind of a Run as `kubectl -o name` writes it."""

UNKNOWN_REQUESTER = 'unknown field "spec.requestedBy"'
"""In the API server's refusal, by strict decoding."""


def creating(command: F) -> F:
    """Add the options of the commands that create a Run."""
    for option in (
        options.output("yaml", "json", "name"),
        click.option(
            "--dry-run",
            type=click.Choice(["client", "server"]),
            is_flag=False,
            flag_value="client",
            help="Create nothing: print the Run (client, the default) or the object that the server would create.",
        ),
        click.option("-w", "--watch", is_flag=True, help="Wait until it has finished; exit with 1 unless it has Completed."),
    ):
        command = option(command)
    return command


@click.command(cls=options.WithBareOptions)
@creating
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
@click.argument("new_name", metavar="[NEWNAME]", required=False)
@with_kubectl_flags
def rerun(session: Session, name: str, new_name: str | None, dry_run: str | None, watch: bool, output: str | None) -> None:
    """Start a new Run with an old one's spec. Its name is RUN-2, RUN-3 and so on unless NEWNAME is given."""
    listed = None if new_name else session.kubectl.start("get", RUNS, "-o", "json")
    old = session.run(name)
    taken = [name_of(other) for other in items_of(listed.json())] if listed else []
    create(session, copy_of(old, new_name or next_name(old, taken)), dry_run=dry_run, watch=watch, output=output)


def create(
    session: Session, made: JsonObject, *, dry_run: str | None, watch: bool, output: str | None, hints: tuple[str, ...] = ()
) -> None:
    """Create a Run, or print it for a dry run. `hints` are printed with the next steps. Raises Problem."""
    if dry_run and watch:
        raise Problem("--dry-run and --watch exclude each other", "a dry run creates nothing to watch")
    if dry_run == "client":  # Anybody may apply a Run that is only printed, so it names no requester.
        click.echo(printed(made, session.namespace, output or "yaml"), nl=False)
        return
    if dry_run:
        click.echo(_send(session, made, f"--dry-run={dry_run}", "-o", output or "yaml"), nl=False)
        return
    name = name_of(made)
    try:
        written = _send(session, made, *(("-o", output) if output else ()))
    except Refused as refused:
        if refused.reason != "AlreadyExists":
            raise
        remedy = f"choose another name, or see {session.command('describe', name)}"
        raise Problem(f"Run {name} already exists", remedy) from refused
    click.echo(written if output else f"run {name} created", nl=not output)
    if watch:
        _await(session, name)
    elif not output:
        session.hint(*hints, f"watch: {session.command('get', name, '-w')}", f"logs: {session.command('logs', name, '-f')}")


def _send(session: Session, made: JsonObject, *args: str) -> str:
    """Create a Run in the name of its requester; return kubectl's output. CRDs that are older do not know the field."""
    signed = made | {"spec": made["spec"] | requester(session)}
    try:
        return session.kubectl.text("create", "-f", "-", *args, stdin=json.dumps(signed))
    except Refused as refused:
        if UNKNOWN_REQUESTER not in str(refused):
            raise
    return session.kubectl.text("create", "-f", "-", *args, stdin=json.dumps(made))


def printed(made: JsonObject, namespace: str | None, output: str) -> str:
    """Return a Run as `kubectl create -o` prints it, without a cluster: its namespace is known only if the user named it."""
    if output == "name":
        return f"{RUN_NAME}/{name_of(made)}\n"
    if namespace:
        made = made | {"metadata": made["metadata"] | {"namespace": namespace}}
    if output == "json":
        return json.dumps(made, indent=4, ensure_ascii=False, sort_keys=True) + "\n"
    import yaml  # It takes time.

    return yaml.safe_dump(made, allow_unicode=True, width=math.inf)


def requester(session: Session) -> JsonObject:
    """Return the field of a Run for the user that the caller is to the API server; none if that does not say who they are."""
    try:
        user = session.kubectl.json("auth", "whoami")["status"]["userInfo"].get("username", "")
    except (Refused, KeyError):
        return {}
    return {"requestedBy": user} if user.strip() else {}


def _await(session: Session, name: str) -> None:
    """Show the Run until it has finished, and exit with a code for its phase."""
    from controller.cli.rw.live_table import Seen, watch_runs

    def finished(seen: Seen) -> bool:
        return bool(seen) and all(phase_of(run) in TERMINAL for run in seen.values())

    try:
        seen = watch_runs(session, (name,), (), spaces=False, wide=False, done=finished)
    except KeyboardInterrupt:
        session.hint(f"the Run continues; watch again: {session.command('get', name, '-w')}")
        raise
    ended = next(iter(seen.values()))
    click.echo(clean(f"run {name}: {phase_of(ended)}: {status_of(ended).get('message', '')}"))
    session.hint(f"what happened: {session.command('describe', name)}")
    if phase_of(ended) != "Completed":
        raise click.exceptions.Exit(1)
