"""`kubectl runwatchman`, or `kubectl rw`: the users' commands for Runs. It calls kubectl with the caller's own permissions.

Each command or small family of commands is one module. I/O is kept apart from the `*_view` modules, which turn objects into text
and are pure.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from controller.cli import LazyGroup
from controller.cli.completion import variable_of
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.terminal_safe import clean

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C ended."""

FAMILY = {
    "answer": ("answer", "approve", "deny", "retry", "wait", "fail"),
    "lifecycle_commands": ("pause", "resume", "stop", "restart"),
    "completion": ("completion",),
    "create": ("rerun",),
    "describe": ("describe",),
    "diff": ("diff",),
    "explain": ("explain",),
    "get": ("get",),
    "halt": ("halt", "lift"),
    "inbox": ("inbox",),
    "logs": ("logs",),
    "providers": ("providers",),
    "run": ("run",),
    "shell": ("shell",),
}
"""Commands by module."""

LAZY = {name: f"{__name__}.{module}:{name}" for module, names in FAMILY.items() for name in names}
LAZY["web"] = f"{LazyGroup.__module__}.web.local_page:web"
"""The page is beside the plugin: it needs an HTTP server, which no other command may load."""


class Plugin(LazyGroup):
    """A command group that fails like kubectl: one line that begins with `error:`, and exit code 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the plugin and exit."""
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except click.UsageError as error:
            where = f"see `{error.ctx.command_path} --help`" if error.ctx else ""
            sys.exit(_failed(f"{error.format_message().rstrip('.')}; {where}"))
        except click.ClickException as error:
            sys.exit(_failed(error.format_message()))
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def _failed(message: str) -> int:
    click.echo(f"error: {clean(message)}", err=True)
    return 1


def program_name(path: str) -> str:
    """Return the command that the user types, derived from the name of the executable."""
    name = os.path.basename(path).removesuffix(".exe")
    return f"kubectl {name.removeprefix('kubectl-')}" if name.startswith("kubectl-") else "kubectl rw"


@click.group(
    cls=Plugin,
    lazy=LAZY,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="runwatchman", prog_name="kubectl-runwatchman")
@with_kubectl_flags
@click.pass_context
def rw(ctx: click.Context, session: Session) -> None:
    """Start, watch, control and understand Runs, and answer their questions."""
    ctx.call_on_close(session.close)
    session.program = ctx.find_root().info_name or session.program
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """The entry point of `kubectl-runwatchman` and `kubectl-rw`; under the name `kubectl_complete-rw` it completes commands."""
    if os.path.basename(sys.argv[0]).startswith("kubectl_complete-"):
        from controller.cli.rw.completion import complete

        complete()
    else:
        name = program_name(sys.argv[0])
        rw.main(prog_name=name, complete_var=variable_of(name.replace(" ", "-")))
