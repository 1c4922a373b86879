"""`get`: how Runs stand, once or live."""

from __future__ import annotations

import click

from controller.cli.rw import options
from controller.cli.rw.get_view import by_run, runs_table, summary
from controller.cli.rw.objects import JsonObject, items_of, name_of, namespace_of, phase_of, status_of
from controller.cli.rw.session import REPORTS, RUNS, Session, with_kubectl_flags
from controller.cli.rw.watching import watch_runs

NEEDY = frozenset({"Blocked", "Failed"})
"""Phases that make one ask why."""


@click.command()
@with_kubectl_flags
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=options.run_names)
@options.all_namespaces
@options.selector
@click.option("-w", "--watch", is_flag=True, help="Stay, and show changes as they come.")
@options.output("wide", *options.MACHINE)
def get(
    session: Session, names: tuple[str, ...], all_namespaces: bool, selector: str | None, watch: bool, output: str | None
) -> None:
    """Show how Runs stand: phase, agents well of all, restarts, what waits in the inbox, and why."""
    where = (*(("-A",) if all_namespaces else ()), *(("-l", selector) if selector else ()))
    wide = output == "wide"
    if output and not wide:
        extra = ("-w",) if watch else ()
        raise click.exceptions.Exit(session.kubectl.hand_over("get", RUNS, *names, *where, *extra, "-o", output))
    if watch:
        watch_runs(session, names, where, spaces=all_namespaces, wide=wide)
        return
    runs, missing, reports = _read(session, names, where)
    if runs:
        session.show(runs_table(runs, by_run(reports), session.now, session.width(), spaces=all_namespaces, wide=wide))
        session.hint(*_hints(session, runs, all_namespaces=all_namespaces))
    elif not missing:
        click.echo("No Runs found.", err=True)
        session.hint(f"start one: {session.command('run', 'hello', '--image', 'busybox:1.37')} -- echo hello")
    if missing:
        raise session.missing(RUNS, "Run", missing[0])


def _read(session: Session, names: tuple[str, ...], where: tuple[str, ...]) -> tuple[list[JsonObject], list[str], list[JsonObject]]:
    """The Runs, the names of which there are none, and what the agents report where the caller may see it."""
    kubectl = session.kubectl
    told = kubectl.start("get", REPORTS, *(w for w in where if w == "-A"), "--show-managed-fields", "-o", "json")
    runs = items_of(kubectl.json("get", RUNS, *names, *where, *(("--ignore-not-found",) if names else ())))
    reports = told.json_if_allowed()
    missing = [name for name in names if name not in map(name_of, runs)]
    return runs, missing, items_of(reports) if isinstance(reports, dict) else []


def _hints(session: Session, runs: list[JsonObject], *, all_namespaces: bool) -> list[str]:
    """What to look at next: the inbox where somebody is asked, else why one does not go well."""
    everywhere = ["-A"] if all_namespaces else []
    lines = [summary(runs)] if len(runs) > 1 else []
    if any(status_of(run).get("openEscalations") for run in runs):
        return [*lines, f"somebody waits for an answer: {session.command('inbox', *everywhere)}"]
    first = next((run for run in runs if phase_of(run) in NEEDY), runs[0])
    there = ["-n", namespace_of(first)] if all_namespaces else []
    return [*lines, f"why it stands like this: {session.command('explain', name_of(first), *there)}"]
