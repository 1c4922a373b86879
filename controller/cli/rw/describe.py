"""`describe`: a Run in full."""

from __future__ import annotations

import click

from controller.cli.rw import options
from controller.cli.rw.inbox_view import how_to_answer, oldest_first
from controller.cli.rw.objects import TERMINAL, phase_of
from controller.cli.rw.reading import begin
from controller.cli.rw.session import Session, with_kubectl_flags


@click.command()
@with_kubectl_flags
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
def describe(session: Session, name: str) -> None:
    """Show a Run in full: agents, attempts, what happened when, the last decision and why, and what is asked."""
    run = session.run(name)
    reading = begin(session, run)
    from controller.cli.rw.describe_view import describe_run
    from controller.cli.rw.sentences import sentence

    around = reading.finish()
    session.show(describe_run(run, around, sentence, session.now, session.width()))
    waiting = oldest_first(around.escalations)
    if waiting:
        session.hint(f"answer the oldest: {session.command(*how_to_answer(waiting[0])[0])}")
    elif phase_of(run) in TERMINAL:
        session.hint(f"run it again: {session.command('rerun', name)}")
    else:
        session.hint(f"what comes next: {session.command('explain', name)}")
