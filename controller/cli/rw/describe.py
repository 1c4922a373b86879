"""`describe`: shows a Run in full."""

from __future__ import annotations

import click

from controller.cli.rw import options
from controller.cli.rw.fetch import begin
from controller.cli.rw.objects import TERMINAL, oldest_first, phase_of
from controller.cli.rw.responses import how_to_answer
from controller.cli.rw.session import Session, with_kubectl_flags


@click.command()
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
@with_kubectl_flags
def describe(session: Session, name: str) -> None:
    """Show a Run in full: agents, attempts, timeline, the last decision and its reason, and open escalations."""
    run = session.run(name)
    reading = begin(session, run)
    # These imports take time, in which kubectl reads.
    from controller.cli.rw.describe_view import describe_run
    from controller.cli.rw.reason_text import sentence

    around = reading.finish()
    session.show(describe_run(run, around, sentence, session.now, session.width()))
    waiting = oldest_first(around.escalations)
    if answers := [words for escalation in waiting for words in how_to_answer(escalation)]:
        session.hint(f"answer the oldest: {session.command(*answers[0])}")
    elif phase_of(run) in TERMINAL:
        session.hint(f"run it again: {session.command('rerun', name)}")
    else:
        session.hint(f"next steps: {session.command('explain', name)}")
