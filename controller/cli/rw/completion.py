"""Shell completion: `kubectl-rw` uses click's own scripts, `kubectl rw` uses kubectl's convention for plugins.

kubectl runs `kubectl_complete-rw` with the typed words, the last of them incomplete. It reads one suggestion per line, with its
description after a tab, and a last line of `:` and a directive for the shell.
https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from controller.cli.completion import SHELLS, script

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NO_FILES = ":4"
"""cobra's ShellCompDirectiveNoFileComp: do not offer file names instead."""

FILES = ":0"
"""cobra's ShellCompDirectiveDefault: offer file names."""


@click.command()
@click.argument("shell", type=SHELLS)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script for `kubectl-rw`; for bash: source <(kubectl rw completion bash).

    `kubectl rw` itself is completed by kubectl's own completion, which finds `kubectl_complete-rw` on PATH.
    """
    root = ctx.find_root()
    click.echo(script(root.command, str(root.info_name).replace(" ", "-"), shell), nl=False)


def complete() -> None:
    """Print suggestions for the words in the arguments, as kubectl asks `kubectl_complete-rw` for them."""
    click.echo(suggestions(sys.argv[1:]), nl=False)


def suggestions(words: list[str]) -> str:
    """Return the suggestions for an incomplete last word, in the format that kubectl reads."""
    from click.shell_completion import ShellComplete

    from controller.cli.rw import rw

    found = ShellComplete(rw, {}, "kubectl rw", "_KUBECTL_RW_COMPLETE").get_completions(words[:-1], words[-1] if words else "")
    plain = [_line(item) for item in found if item.type == "plain"]
    return "\n".join([*plain, FILES if any(item.type in ("file", "dir") for item in found) else NO_FILES, ""])


def _line(item: CompletionItem) -> str:
    return f"{item.value}\t{item.help}" if item.help else str(item.value)
