"""`explain`: shows the reason for a Run's status, the next steps and the commands that change it."""

from __future__ import annotations

import json

import click

from controller.cli.rw import options
from controller.cli.rw.fetch import begin
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.slow_imports import slow_imports


@click.command()
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
@options.output("json", "yaml")
@with_kubectl_flags
def explain(session: Session, name: str, output: str | None) -> None:
    """Explain a Run's status: the rule that decided, the next steps and their times, and the commands that change it."""
    run = session.run(name)
    reading = begin(session, run)
    # Importing the plan takes time, in which kubectl reads.
    with slow_imports():
        from controller.cli.rw.explain_document import document
        from controller.cli.rw.explain_model import explain_run
        from controller.cli.rw.explain_view import explained

    now = session.now
    explanation = explain_run(run, reading.finish(), now)
    if output == "json":
        click.echo(json.dumps(document(explanation), indent=4))
    elif output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(document(explanation), sort_keys=False, width=120), nl=False)
    else:
        session.show(explained(explanation, session.command, now, session.width()))
        session.hint(f"history: {session.command('describe', name)}")
