"""Options and completions that several commands share; the options are those of kubectl."""

from __future__ import annotations

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
