"""`get`: shows the status of Runs, once or live."""

from __future__ import annotations

import click

from controller.cli.rw import options
from controller.cli.rw.halt_text import lift_words
from controller.cli.rw.objects import JsonObject, items_of, name_of, namespace_of, phase_of, status_of
from controller.cli.rw.session import REPORTS, RUNS, Session, with_kubectl_flags
from controller.cli.rw.styles import NEEDY


@click.command()
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=options.run_names)
@options.all_namespaces
@options.selector
@click.option("-w", "--watch", is_flag=True, help="Show changes until interrupted.")
@options.output("wide", *options.MACHINE)
@with_kubectl_flags
def get(
    session: Session, names: tuple[str, ...], all_namespaces: bool, selector: str | None, watch: bool, output: str | None
) -> None:
    """Show the status of Runs: phase, healthy agents of all, restarts, open escalations, and the reason."""
    where = (*(("-A",) if all_namespaces else ()), *(("-l", selector) if selector else ()))
    wide = output == "wide"
    if output and not wide:
        extra = ("-w",) if watch else ()
        raise click.exceptions.Exit(session.kubectl.hand_over("get", RUNS, *names, *where, *extra, "-o", output))
    if watch:
        from controller.cli.rw.live_table import watch_runs

        watch_runs(session, names, where, spaces=all_namespaces, wide=wide)
        return
    missing = _show(session, names, where, spaces=all_namespaces, wide=wide)
    if missing:
        raise session.missing(RUNS, "Run", missing[0])


def _show(session: Session, names: tuple[str, ...], where: tuple[str, ...], *, spaces: bool, wide: bool) -> list[str]:
    """Print the Runs, with their agents' reports if the caller may read them; return the names of missing Runs."""
    kubectl = session.kubectl
    asked = kubectl.start("get", RUNS, *names, *where, *(("--ignore-not-found",) if names else ()), "-o", "json")
    reports_process = kubectl.start("get", REPORTS, *(("-A",) if spaces else ()), "--show-managed-fields", "-o", "json")
    from controller.cli.rw.get_view import by_run, runs_table, summary

    runs, reports = items_of(asked.json()), reports_process.json_if_allowed()
    if runs:
        found = by_run(items_of(reports) if isinstance(reports, dict) else [])
        session.show(runs_table(runs, found, session.now, session.width(), spaces=spaces, wide=wide))
        session.hint(*([summary(runs)] if len(runs) > 1 else []), *_hints(session, runs, all_namespaces=spaces))
    elif not names:
        click.echo("No Runs found.", err=True)
        session.hint(f"start one: {session.command('run', 'hello', '--image', 'busybox:1.37')} -- echo hello")
    return [name for name in names if name not in map(name_of, runs)]


def _hints(session: Session, runs: list[JsonObject], *, all_namespaces: bool) -> list[str]:
    """Return hints: the inbox if an escalation is open, otherwise the explanation of the Run that needs attention most."""
    everywhere = ["-A"] if all_namespaces else []
    if any(status_of(run).get("openEscalations") for run in runs):
        return [f"escalations wait for an answer: {session.command('inbox', *everywhere)}"]
    if lifting := next((words for run in runs if (words := lift_words(run))), None):
        return [f"agents start again after: {session.command(*lifting)}"]
    first = next((run for run in runs if phase_of(run) in NEEDY), runs[0])
    there = ["-n", namespace_of(first)] if all_namespaces else []
    return [f"the reason: {session.command('explain', name_of(first), *there)}"]
