"""`halt` and `lift`: one switch for a namespace and one for the cluster, which ends all agents and keeps their work."""

from __future__ import annotations

import json

import click

from controller.api.names import API_VERSION, HALT_NAME
from controller.cli.rw import options
from controller.cli.rw.halt_text import words_of
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, items_of
from controller.cli.rw.session import CLUSTER_HALTS, HALTS, Session, with_kubectl_flags
from controller.cli.rw.user_error import Problem

everywhere = click.option("-A", "--all-namespaces", is_flag=True, help="The whole cluster, including namespaces to come.")


@click.command()
@everywhere
@click.option("--reason", required=True, metavar="TEXT", help="The reason, which everybody sees whose Runs do not continue.")
@options.output(*options.MACHINE)
@with_kubectl_flags
def halt(session: Session, all_namespaces: bool, reason: str, output: str | None) -> None:
    """End all agents of a namespace gracefully and start none, until it is lifted. Workspaces stay, nothing is charged."""
    if not reason.strip():
        raise Problem("--reason is empty", "say why, for those whose Runs do not continue")
    by = session.kubectl.json("auth", "whoami")["status"]["userInfo"]["username"]
    kind = "ClusterHalt" if all_namespaces else "Halt"
    made = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": HALT_NAME}, "spec": {"reason": reason, "by": by}}
    try:
        written = session.kubectl.text("create", "-f", "-", *(("-o", output) if output else ()), stdin=json.dumps(made))
    except Refused as refused:
        if refused.reason != "AlreadyExists":
            raise
        _unchanged(session, all_namespaces, output)
        return
    click.echo(written if output else f"{_place(session, all_namespaces)} is halted, by {by}", nl=not output)
    if not output:
        session.hint(f"lift it with: {_lift(session, all_namespaces)}")


@click.command()
@everywhere
@options.output("name")
@with_kubectl_flags
def lift(session: Session, all_namespaces: bool, output: str | None) -> None:
    """Lift a halt: the agents start again, uncharged, some of them each second. Paused Runs stay paused."""
    resource = CLUSTER_HALTS if all_namespaces else HALTS
    found = items_of(session.kubectl.json("get", resource, HALT_NAME, "--ignore-not-found"))
    place = _place(session, all_namespaces)
    if not found:
        click.echo(f"{place} is not halted")
    else:
        shape = ("-o", output) if output else ()
        written = session.kubectl.text("delete", resource, HALT_NAME, "--ignore-not-found", *shape)
        click.echo(written if output else f"{place} is no longer halted ({words_of(found[0])})", nl=not output)
    if not output:
        _hint_about_the_rest(session, all_namespaces)


def _unchanged(session: Session, all_namespaces: bool, output: str | None) -> None:
    """Show the halt that is in force: the first one stands, with its author and its reason."""
    resource = CLUSTER_HALTS if all_namespaces else HALTS
    shape = output or "json"
    if output:
        click.echo(session.kubectl.text("get", resource, HALT_NAME, "-o", shape), nl=False)
        return
    click.echo(f"{_place(session, all_namespaces)}: unchanged, it is {words_of(session.kubectl.json('get', resource, HALT_NAME))}")


def _hint_about_the_rest(session: Session, all_namespaces: bool) -> None:
    """Name the halts that hold Runs still, as far as the caller may see them."""
    rest = _others(session, all_namespaces)
    if rest and not all_namespaces:
        session.hint(f"the cluster is still {words_of(rest[0])}")
    elif rest:
        names = ", ".join(sorted(each["metadata"]["namespace"] for each in rest))
        session.hint(f"these namespaces are still halted: {names}")
    else:
        session.hint(f"watch: {session.command('get', *(['-A'] if all_namespaces else []), '-w')}")


def _others(session: Session, all_namespaces: bool) -> list[JsonObject]:
    wanted = (HALTS, "-A") if all_namespaces else (CLUSTER_HALTS,)
    found = session.kubectl.start("get", *wanted, "-o", "json").json_if_allowed()
    return items_of(found) if isinstance(found, dict) else []


def _place(session: Session, all_namespaces: bool) -> str:
    if all_namespaces:
        return "the cluster"
    return f"namespace {session.namespace}" if session.namespace else "this namespace"


def _lift(session: Session, all_namespaces: bool) -> str:
    return session.command("lift", *(["--all-namespaces"] if all_namespaces else []))
