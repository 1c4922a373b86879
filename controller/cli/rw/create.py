"""`run` and `rerun`: create Runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from controller.cli.rw import options
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.manifest import Wanted, copy_of, manifest, next_name
from controller.cli.rw.objects import TERMINAL, JsonObject, items_of, name_of, phase_of, status_of
from controller.cli.rw.session import RUNS, Session, with_kubectl_flags
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.user_error import Problem
from controller.strict.text_encoding import NotUtf8, decode

F = TypeVar("F", bound=Callable[..., Any])


def _creating(command: F) -> F:
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


@click.command()
@_creating
@click.argument("name")
@click.option("--image", required=True, help="Image of the agent.")
@click.option("--agent", default="coder", show_default=True, help="Name of the agent.")
@click.option("--brief", help="The prompt.")
@click.option("--brief-file", type=click.Path(dir_okay=False), help="File with the prompt; - for stdin.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable; may be given several times.")
@click.option("--env-from", multiple=True, metavar="KIND/NAME", help="secret/NAME or configmap/NAME, all of its keys.")
@click.option("--policy", metavar="NAME", help="RunPolicy of the Run.")
@click.option(
    "--workspace", is_flag=False, flag_value="", metavar="[SIZE]", help="Keep /workspace across attempts; 10Gi without SIZE."
)
@click.option("--deadline", metavar="SPAN", help="Fail the Run after this long, such as 2h.")
@click.option("--token-budget", type=int, metavar="N", help="Maximum tokens of the Run.")
@click.argument("command", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@with_kubectl_flags
def run(
    session: Session,
    brief: str | None,
    brief_file: str | None,
    dry_run: str | None,
    watch: bool,
    output: str | None,
    **wanted: Any,
) -> None:
    """Start a Run with one agent."""
    if brief is not None and brief_file is not None:
        raise Problem("--brief and --brief-file exclude each other", "give one of them")
    text = _read(brief_file) if brief_file else brief
    _create(session, manifest(Wanted(brief=text, **wanted)), dry_run=dry_run, watch=watch, output=output)


@click.command()
@_creating
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
@click.argument("new_name", metavar="[NEWNAME]", required=False)
@with_kubectl_flags
def rerun(session: Session, name: str, new_name: str | None, dry_run: str | None, watch: bool, output: str | None) -> None:
    """Start a new Run with an old one's spec. Its name is RUN-2, RUN-3 and so on unless NEWNAME is given."""
    listed = None if new_name else session.kubectl.start("get", RUNS, "-o", "json")
    old = session.run(name)
    taken = [name_of(other) for other in items_of(listed.json())] if listed else []
    _create(session, copy_of(old, new_name or next_name(old, taken)), dry_run=dry_run, watch=watch, output=output)


def _read(path: str) -> str:
    try:
        return decode(sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes())
    except OSError as error:
        raise Problem(f"--brief-file {path} cannot be read", str(error.strerror)) from error
    except NotUtf8 as error:
        raise Problem(f"--brief-file {path} {error}") from error


def _create(session: Session, made: JsonObject, *, dry_run: str | None, watch: bool, output: str | None) -> None:
    if dry_run and watch:
        raise Problem("--dry-run and --watch exclude each other", "a dry run creates nothing to watch")
    kubectl, text = session.kubectl, json.dumps(made)
    if dry_run:
        click.echo(kubectl.text("create", f"--dry-run={dry_run}", "-f", "-", "-o", output or "yaml", stdin=text), nl=False)
        return
    name = name_of(made)
    try:
        written = kubectl.text("create", "-f", "-", *(("-o", output) if output else ()), stdin=text)
    except Refused as refused:
        if refused.reason != "AlreadyExists":
            raise
        remedy = f"choose another name, or see {session.command('describe', name)}"
        raise Problem(f"Run {name} already exists", remedy) from refused
    click.echo(written if output else f"run {name} created", nl=not output)
    if watch:
        _await(session, name)
    elif not output:
        session.hint(f"watch: {session.command('get', name, '-w')}", f"logs: {session.command('logs', name, '-f')}")


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
