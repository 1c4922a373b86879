"""`runwatchman completion`: prints a script for a shell."""

from __future__ import annotations

import click

SHELLS = click.Choice(["bash", "zsh", "fish"])


@click.command()
@click.argument("shell", type=SHELLS)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script; for bash: source <(runwatchman completion bash)."""
    click.echo(script(ctx.find_root().command, "runwatchman", shell), nl=False)


def script(command: click.Command, program: str, shell: str) -> str:
    """Return the script that completes a command of this name. The program must have the variable of `variable_of`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise ValueError(f"{shell} is not a shell that click knows")
    return kind(command, {}, program, variable_of(program)).source()


def variable_of(program: str) -> str:
    """Return the environment variable by which the script asks the program for suggestions."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE"
