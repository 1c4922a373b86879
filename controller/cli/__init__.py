"""The command line: one module per command. A module is imported only when its command runs, so that the CLI starts quickly."""

import importlib

import click


class LazyGroup(click.Group):
    """A click group whose commands are named `module:attribute` and imported on first use.

    With `summaries`, the first lines of the commands' help, `--help` lists the commands without importing them.
    """

    def __init__(
        self, *args: object, lazy: dict[str, str] | None = None, summaries: dict[str, str] | None = None, **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own signature, passed through
        self._lazy, self._summaries = lazy or {}, summaries

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        if self._summaries is None:
            super().format_commands(ctx, formatter)
        else:
            with formatter.section("Commands"):
                formatter.write_dl(sorted(self._summaries.items()))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, imported or not, sorted."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command `cmd_name`; None if it does not exist."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._lazy[cmd_name]} is not a click command")
        return command


SUMMARIES = {
    "adapter": "Run the advisor's commands for an operator.",
    "completion": "Print a completion script; for bash: source <(runwatchman completion bash).",
    "crds": "Print the CRDs, generated from the API's models, ready for `kubectl apply -f -`.",
    "operator": "Run the operator.",
    "plan": "Print the plan for a snapshot: the rule that applies, its actions with their reasons, and the digest.",
    "policy": "Work with the operator's policy file.",
    "replay": "Decide again in every situation of a ledger, and compare the plans with the recorded ones byte for byte.",
    "simulate": "Play Runs under policies in a scenario, in virtual time, by the decisions that the operator makes.",
    "web": "Show Runs, their reasons and the inbox in a browser, to everybody with a bearer token of the cluster.",
    "store": "Work with the store of the operator's states: status, annotations, or a database's URL.",
}
"""The commands, each in a module of its name, with the first sentence of its help."""


@click.group(
    cls=LazyGroup,
    lazy={name: f"{__name__}.{name}:{name}" for name in SUMMARIES},
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RUNWATCHMAN"},
)
@click.version_option(package_name="runwatchman", prog_name="runwatchman")
def main() -> None:
    """Supervise runs of AI coding agents on Kubernetes."""
