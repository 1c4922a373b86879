"""`diff`: shows what changed in an agent's workspace since the commit that was cloned."""

from __future__ import annotations

import click

from controller.cli.rw import options
from controller.cli.rw.agent_choice import chosen
from controller.cli.rw.changes import base_of, diff_words
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.workspace_container import OwnPod, workspace_container


@click.command(cls=options.WithCommand)
@options.workspace_of_an_agent
@click.option("--base", metavar="REVISION", help="Commit to compare with; default: the one that was cloned.")
@with_kubectl_flags
def diff(
    session: Session, name: str, agent: str | None, base: str | None, image: str | None, timeout: str, command: tuple[str, ...]
) -> None:
    """Show the changes in an agent's workspace since the cloned commit, committed or not. Words after -- are those of `git diff`.

    AGENT may be omitted if the Run has only one. In a pipe the output is git's own, as `git apply` reads it.
    """
    run = session.run(name)
    its = chosen(run, agent)
    words = diff_words(its, base or base_of(run, its), *command)
    with workspace_container(session, run, its, OwnPod(image, timeout)) as container:
        call = container.exec_words(words, terminal=False)
        if session.width() is None:  # in a pipe or a file
            raise click.exceptions.Exit(session.kubectl.hand_over(*call))
        changes = session.kubectl.text(*call)
    if changes:
        click.echo_via_pager(clean(changes.removesuffix("\n")))
