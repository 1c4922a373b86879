"""`shell`: opens an agent's workspace."""

from __future__ import annotations

import sys

import click

from controller.cli.rw import options
from controller.cli.rw.agent_choice import chosen
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.shell_pod import mount_path, work_in
from controller.cli.rw.workspace_container import OwnPod, workspace_container


@click.command(cls=options.WithCommand)
@options.workspace_of_an_agent
@with_kubectl_flags
def shell(session: Session, name: str, agent: str | None, image: str | None, timeout: str, command: tuple[str, ...]) -> None:
    """Open a shell, or run COMMAND, in an agent's workspace. AGENT may be omitted if the Run has only one.

    While the agent runs, this is its own container. Otherwise it is a pod with the kept workspace, which is removed at the end. The
    exit code is that of the shell or the COMMAND.
    """
    run = session.run(name)
    its = chosen(run, agent)
    with workspace_container(session, run, its, OwnPod(image, timeout)) as container:
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        code = session.kubectl.hand_over(*container.exec_words(work_in(mount_path(its), command), terminal=terminal))
    raise click.exceptions.Exit(code)
