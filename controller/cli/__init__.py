"""The command line: one module per command. A module is imported only when its command runs, so that the CLI starts quickly."""

import importlib

import click


class LazyGroup(click.Group):
    """A click group whose commands are named `module:attribute` and imported on first use."""

    def __init__(self, *args: object, lazy: dict[str, str] | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own signature, passed through
        self._lazy = lazy or {}

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


@click.group(
    cls=LazyGroup,
    lazy={
        "adapter": f"{__name__}.adapter:adapter",
        "crds": f"{__name__}.crds:crds",
        "operator": f"{__name__}.operator:operator",
        "plan": f"{__name__}.plan:plan",
        "policy": f"{__name__}.policy:policy",
        "store": f"{__name__}.store:store",
    },
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RUNWATCHMAN"},
)
@click.version_option(package_name="runwatchman", prog_name="runwatchman")
def main() -> None:
    """Supervise runs of AI coding agents on Kubernetes."""
