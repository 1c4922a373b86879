"""Options and completions that several commands share; the options are those of kubectl."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from controller.cli.rw.objects import items_of, name_of, waits
from controller.cli.rw.session import ESCALATIONS, RUNS, Session
from controller.cli.rw.user_error import Problem

F = TypeVar("F", bound=Callable[..., Any])

MACHINE = ("json", "yaml", "name")


def output(*formats: str) -> Callable[[F], F]:
    """Add option -o with these formats to a command."""
    return click.option("-o", "--output", type=click.Choice(formats), help="Output format for programs.")


all_namespaces = click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces.")
selector = click.option("-l", "--selector", metavar="QUERY", help="Only objects with these labels, such as team=web.")


BARE = {"--dry-run": (re.compile("client|server"), "client"), "--workspace": (re.compile(r"\d\S*"), "")}
"""Options that may stand alone -> the values that they can have, and the value of a bare one."""


class WithBareOptions(click.Command):
    """A command whose options in BARE do not take the next word if that is no value for them, but a name or a prompt."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words, with the value of each bare option."""
        filled = [
            f"{word}={BARE[word][1]}" if word in BARE and not BARE[word][0].fullmatch(following) else word
            for word, following in zip(args, [*args[1:], ""], strict=False)
        ]
        return super().parse_args(ctx, filled)


class WithCommand(WithBareOptions):
    """A command for which the words after `--` are a command line of their own, in the parameter `command`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before `--`."""
        end = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:end])
        ctx.params["command"] = tuple(args[end + 1 :])
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the pieces of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


def workspace_of_an_agent(command: F) -> F:
    """Add the arguments and options of a command that works in an agent's workspace."""
    for option in (
        click.option("--timeout", default="2m", show_default=True, metavar="SPAN", help="Time that this pod may take to start."),
        click.option("--image", help="Image of the pod for an agent that does not run; default: the agent's."),
        click.argument("agent", required=False, shell_complete=agent_names),
        click.argument("name", metavar="RUN", shell_complete=run_names),
    ):
        command = option(command)
    return command


def run_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the names of Runs."""
    return _complete(ctx, incomplete, RUNS)


def inbox_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the names of escalations that wait for an answer."""
    return _complete(ctx, incomplete, ESCALATIONS)


def agent_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the names of the Run's agents."""
    try:
        run = ctx.ensure_object(Session).kubectl.json("get", RUNS, ctx.params["name"])
    except (Problem, KeyError):
        return []
    return [agent["name"] for agent in run["spec"]["agents"] if agent["name"].startswith(incomplete)]


def _complete(ctx: click.Context, incomplete: str, resource: str) -> list[str]:
    try:
        found = items_of(ctx.ensure_object(Session).kubectl.json("get", resource))
    except Problem:
        return []
    wanted = found if resource == RUNS else [escalation for escalation in found if waits(escalation)]
    return sorted(name for obj in wanted if (name := name_of(obj)).startswith(incomplete))
