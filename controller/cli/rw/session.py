"""Common code of all commands: kubectl's own flags, the objects that several commands read, and the output."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

import click

from controller.cli.rw.kubectl import Kubectl, with_flags
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, items_of, name_of
from controller.cli.rw.user_error import Problem, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

RUNS, ESCALATIONS, REPORTS, POLICIES = (
    "runs.runwatchman.dev",
    "escalations.runwatchman.dev",
    "agentreports.runwatchman.dev",
    "runpolicies.runwatchman.dev",
)
HALTS, CLUSTER_HALTS = "halts.runwatchman.dev", "clusterhalts.runwatchman.dev"
PROVIDERS = "providers.runwatchman.dev"
"""Resources by their full names: `run` and `esc` may be short names of other resources."""

VALUE_FLAGS: tuple[tuple[tuple[str, ...], str | None], ...] = (
    (("-n", "--namespace"), "Namespace; default: the current context's."),
    (("--context",), "Context of the kubeconfig."),
    (("--kubeconfig",), "Path of the kubeconfig."),
    (("--as",), "User to impersonate."),
    (("--as-group",), "Group to impersonate; may be given several times."),
    (("--request-timeout",), "Timeout of one request, such as 10s."),
    *(((flag,), None) for flag in ("--cluster", "--user", "--server", "--token", "--as-uid", "--certificate-authority")),
    *(((flag,), None) for flag in ("--client-certificate", "--client-key", "--tls-server-name", "--cache-dir")),
)
"""kubectl's flags that are passed on; flags without a help text are accepted but not listed."""


@dataclass
class Session:
    """One call of the plugin."""

    flags: list[str] = field(default_factory=list)
    namespace: str = ""
    program: str = "kubectl rw"

    @cached_property
    def kubectl(self) -> Kubectl:
        """The kubectl to call, with the caller's flags."""
        return Kubectl(tuple(self.flags))

    def close(self) -> None:
        """End running calls."""
        if "kubectl" in self.__dict__:
            self.kubectl.close()

    @property
    def now(self) -> datetime:
        """The time of this machine, from which ages are computed, as kubectl does."""
        return datetime.now(UTC)

    def command(self, *words: str) -> str:
        """Return a command line that the caller can type next, in the same namespace; flags are placed before a `--`."""
        where = ("-n", self.namespace) if self.namespace else ()
        return f"{self.program} {shlex.join(with_flags(words, where))}"

    def run(self, name: str) -> JsonObject:
        """Return a Run. If it does not exist, raises Problem with similar names."""
        return self._named(RUNS, "Run", name)

    def escalation(self, name: str) -> JsonObject:
        """Return an escalation. If it does not exist, raises Problem with similar names."""
        return self._named(ESCALATIONS, "escalation", name)

    def _named(self, resource: str, kind: str, name: str) -> JsonObject:
        try:
            return self.kubectl.json("get", resource, name)
        except Refused as refused:
            if refused.reason != "NotFound":
                raise
            raise self.missing(resource, kind, name) from refused

    def missing(self, resource: str, kind: str, name: str) -> Problem:
        """Return the error for a name that does not exist, with similar names."""
        listed = self.kubectl.start("get", resource, "-o", "json").json_if_allowed()
        names = [name_of(obj) for obj in items_of(listed)] if isinstance(listed, dict) else []
        where = f"namespace {self.namespace}" if self.namespace else "this namespace"
        return Problem(f"{kind} {name} not found in {where}", did_you_mean(name, names) or "look elsewhere with -n or get -A")

    def width(self) -> int | None:
        """Return the width of the terminal; None if stdout is not a terminal, so that nothing is cut."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def show(self, text: object) -> None:
        """Print a text for people."""
        from rich.console import Console

        Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(text)

    def hint(self, *lines: str) -> None:
        """Print the next steps: on stderr, so that they do not enter a pipe, and dimmed."""
        if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
            click.secho("\n".join(lines), err=True, dim=True)
        else:
            click.echo("\n".join(lines), err=True)


def with_kubectl_flags(command: F) -> F:
    """Add kubectl's own flags to a command, and pass the session to its function as the first argument."""
    command = click.make_pass_decorator(Session, ensure=True)(command)  # type: ignore[assignment]  # click's own typing of decorators
    for names, text in reversed(VALUE_FLAGS):
        several = names[-1] == "--as-group"
        option = click.option(*names, help=text, hidden=text is None, expose_value=False, callback=_remember, multiple=several)
        command = option(command)
    flag = click.option("--insecure-skip-tls-verify", is_flag=True, hidden=True, expose_value=False, callback=_remember)
    return flag(command)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Record a flag for kubectl; it may be anywhere on the command line."""
    session = ctx.ensure_object(Session)
    name = param.opts[-1]
    if isinstance(value, bool):
        session.flags += [name] if value else []
        return
    for one in value if isinstance(value, tuple) else (value,):
        if one is not None:
            session.flags.append(f"{name}={one}")
    if name == "--namespace" and value:
        session.namespace = str(value)
