"""`answer`, `approve`, `deny`, `retry`, `wait`, `fail`: a human's response to an open escalation, written once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from controller.cli.rw import options
from controller.cli.rw.escalation_lookup import find
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, name_of, waits
from controller.cli.rw.responses import VERBS, Wish, answer_text, became, check
from controller.cli.rw.session import ESCALATIONS, Session, with_kubectl_flags
from controller.cli.rw.user_error import Problem

F = TypeVar("F", bound=Callable[..., Any])

TRIES = 3
"""How often an escalation is read again if the operator changed it between reading and answering."""


def _common(command: F) -> F:
    for option in (
        options.output(*options.MACHINE),
        click.option("--on-behalf-of", metavar="USER", help="User for whom you answer, if the policy names you as a bridge."),
        click.option("--comment", metavar="TEXT", help="A comment that is stored in the escalation."),
        click.argument("name", shell_complete=options.inbox_names),
    ):
        command = option(command)
    return command


@click.command()
@click.option("--option", "number", type=int, metavar="N", help="Answer with the Nth of the question's options.")
@click.option("--accept-suggestion", is_flag=True, help="Answer with the advisor's suggestion.")
@click.option("--free", is_flag=True, help="Allow a TEXT that is not one of the options.")
@_common
@click.argument("text", required=False)
@with_kubectl_flags
def answer(
    session: Session, name: str, text: str | None, number: int | None, accept_suggestion: bool, free: bool, **rest: Any
) -> None:
    """Answer a question. NAME is the escalation's, or the name of a Run with only one open question; a TEXT of - is read from
    stdin.

    Put -- before a TEXT that begins with a dash.
    """
    given = sys.stdin.read().strip() if text == "-" else text
    wish = Wish(given, number, accept_suggestion, free)
    _respond(session, name, "Answer", lambda escalation: {"answer": answer_text(escalation, wish)}, **rest)


@click.command()
@_common
@with_kubectl_flags
def approve(session: Session, name: str, **rest: Any) -> None:
    """Approve the operator's proposal, or more of a budget."""
    _respond(session, name, "Approve", **rest)


@click.command()
@_common
@with_kubectl_flags
def deny(session: Session, name: str, **rest: Any) -> None:
    """Deny the operator's proposal, or more of a budget."""
    _respond(session, name, "Deny", **rest)


@click.command()
@_common
@with_kubectl_flags
def retry(session: Session, name: str, **rest: Any) -> None:
    """Give a blocked agent one more attempt, which is not charged."""
    _respond(session, name, "Retry", **rest)


@click.command()
@_common
@with_kubectl_flags
def wait(session: Session, name: str, **rest: Any) -> None:
    """Let a blocked agent wait longer for what it needs. (`kubectl wait` waits for a Run's end.)"""
    _respond(session, name, "Wait", **rest)


@click.command()
@_common
@with_kubectl_flags
def fail(session: Session, name: str, **rest: Any) -> None:
    """Give up a blocked Run: it ends as Failed."""
    _respond(session, name, "Stop", **rest)


def _nothing(_: JsonObject) -> JsonObject:
    return {}


def _respond(
    session: Session,
    name: str,
    decision: str,
    words: Callable[[JsonObject], JsonObject] = _nothing,
    *,
    output: str | None,
    comment: str | None,
    on_behalf_of: str | None,
) -> None:
    """Write the response only to the version of the escalation that was read as open."""
    kubectl = session.kubectl
    me = kubectl.start("auth", "whoami", "-o", "json")
    escalation = find(session, name, decision)
    given = {"decision": decision, **words(escalation), "by": me.json()["status"]["userInfo"]["username"]}
    given |= {key: value for key, value in (("comment", comment), ("onBehalfOf", on_behalf_of)) if value}
    written = _write(session, escalation, decision, given, output)
    if output:
        click.echo(written, nl=False)
        return
    verb = next(verb for verb, known in VERBS[escalation["spec"]["type"]] if known == decision)
    click.echo(f"escalation {name_of(escalation)}: {verb} sent{_quoted(given)}, by {given['by']}")
    spec = escalation["spec"]
    effect = ("providers",) if spec["type"] == "Budget" else ("explain", spec["runName"])
    session.hint(f"see the effect: {session.command(*effect)}")


def _quoted(response: JsonObject) -> str:
    return f" ({response['answer']})" if "answer" in response else ""


def _write(session: Session, escalation: JsonObject, decision: str, response: JsonObject, output: str | None) -> str:
    for _ in range(TRIES):
        check(escalation, decision)
        fence = {"resourceVersion": escalation["metadata"]["resourceVersion"], "uid": escalation["metadata"]["uid"]}
        patch = json.dumps({"metadata": fence, "spec": {"response": response}})
        shape = ("-o", output) if output else ()
        try:
            return session.kubectl.text("patch", ESCALATIONS, name_of(escalation), "--type=merge", "-p", patch, *shape)
        except Refused as refused:
            fresh = session.escalation(name_of(escalation))
            if not waits(fresh):
                raise Problem(f"escalation {name_of(escalation)} is no longer open", became(fresh)) from refused
            if refused.reason != "Conflict":
                raise
            escalation = fresh
    raise Problem(f"escalation {name_of(escalation)} keeps changing", "try again")
