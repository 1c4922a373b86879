"""`run`: starts a Run with one agent: codex, claude, or an image of the caller's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from controller.cli.rw import options
from controller.cli.rw.agent_clis import CLIS, equipped, secret_command
from controller.cli.rw.create import create, creating
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.manifest import Wanted, manifest
from controller.cli.rw.repository import repo_secret_command
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.user_error import Problem
from controller.strict.text_encoding import NotUtf8, decode

STDIN = "-"
RANDOM_BYTES = 3
"""Random bytes of a generated name, which has two hex digits for each."""


@click.command(cls=options.WithCommand)
@creating
@click.argument("name")
@click.argument("prompt", required=False)
@click.option("--agent", "cli", type=click.Choice(tuple(CLIS)), help="The CLI that works on the prompt, in a kept workspace.")
@click.option("--image", help="Image of the agent; codex has one of ours.")
@click.option("--agent-name", "agent", default="coder", show_default=True, metavar="NAME", help="Name of the agent.")
@click.option("--secret", multiple=True, metavar="NAME", help="Secret with the CLI's key; may be given several times.")
@click.option("--repo", metavar="URL[@REV]", help="Repository that is cloned into the kept workspace, at a branch, tag or commit.")
@click.option("--repo-secret", metavar="NAME", help="Secret with the credential of the repository, which the agent does not get.")
@click.option(
    "--verify", metavar="COMMAND", help="Shell command that must succeed on a copy of the workspace for the agent to complete."
)
@click.option("--verify-image", metavar="IMAGE", help="Image of that command; default: the agent's.")
@click.option("--publish", metavar="BRANCH", help="Branch of the repository that the work is pushed to once it is complete.")
@click.option("--publish-secret", metavar="NAME", help="Secret with the credential that may push, which no agent gets.")
@click.option("--brief", metavar="PROMPT", help="The prompt.")
@click.option("--brief-file", type=click.Path(dir_okay=False), help="File with the prompt; - for stdin.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A variable; may be given several times.")
@click.option("--env-from", multiple=True, metavar="KIND/NAME", help="secret/NAME or configmap/NAME, all of its keys.")
@click.option("--policy", metavar="NAME", help="RunPolicy of the Run.")
@click.option(
    "--workspace", is_flag=False, flag_value="", metavar="[SIZE]", help="Keep /workspace across attempts; 10Gi without SIZE."
)
@click.option("--deadline", metavar="SPAN", help="Fail the Run after this long, such as 2h.")
@click.option("--token-budget", type=int, metavar="N", help="Maximum tokens of the Run.")
@with_kubectl_flags
def run(
    session: Session,
    name: str,
    prompt: str | None,
    brief: str | None,
    brief_file: str | None,
    dry_run: str | None,
    watch: bool,
    output: str | None,
    **given: Any,
) -> None:
    """Start a Run with one agent: codex or claude with a PROMPT, or COMMAND in an image of your own.

    A PROMPT of - is read from stdin. A NAME that ends with - gets a random end. With --agent, the words after -- are options of the
    CLI, such as -m MODEL.
    """
    wanted = equipped(Wanted(name=_named(name), brief=_prompt(prompt, brief, brief_file), **given), _version)
    made = manifest(wanted)
    if dry_run != "client":
        _find_secrets(session, wanted)
    create(session, made, dry_run=dry_run, watch=watch, output=output, hints=_keyless(wanted))


def _version() -> str:
    from controller import __version__  # It takes time, and is rarely needed.

    return __version__


def _named(name: str) -> str:
    if " " in name:
        raise Problem(f'"{name}" is not a name', "give the Run's name first, and the prompt after it")
    return name + os.urandom(RANDOM_BYTES).hex() if name.endswith("-") else name


def _prompt(prompt: str | None, brief: str | None, brief_file: str | None) -> str | None:
    """Return the prompt, None if there is none. Raises Problem if it is given twice."""
    given = {"PROMPT": prompt, "--brief": brief, "--brief-file": brief_file}
    used = [option for option, value in given.items() if value is not None]
    if len(used) > 1:
        raise Problem(f"{' and '.join(used)} exclude each other", "give one of them")
    if brief_file is not None:
        return _read(brief_file, "--brief-file")
    return _read(STDIN, "PROMPT") if prompt == STDIN else prompt if prompt is not None else brief


def _read(path: str, option: str) -> str:
    try:
        return decode(sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes())
    except OSError as error:
        raise Problem(f"{option} {path} cannot be read", str(error.strerror)) from error
    except NotUtf8 as error:
        raise Problem(f"{option} {path} {error}") from error


def _find_secrets(session: Session, wanted: Wanted) -> None:
    """Raise Problem for a Secret that does not exist, as far as the caller may know: its agent would never start."""
    commands = {name: secret_command(wanted.cli, name) for name in wanted.secret}
    if wanted.repo and wanted.repo_secret:
        commands[wanted.repo_secret] = repo_secret_command(wanted.repo, wanted.repo_secret)
    if wanted.repo and wanted.publish_secret:
        commands[wanted.publish_secret] = repo_secret_command(wanted.repo, wanted.publish_secret)
    calls = {name: session.kubectl.start("get", "secret", name, "-o", "name") for name in commands}
    for name, call in calls.items():
        try:
            call.text()
        except Refused as refused:
            if refused.reason == "NotFound":
                where = f"namespace {session.namespace}" if session.namespace else "this namespace"
                flags = f" -n {session.namespace}" if session.namespace else ""
                raise Problem(f"no Secret {name} in {where}", f"create it: {commands[name]}{flags}") from refused
            if refused.denied is None:
                raise


def _keyless(wanted: Wanted) -> tuple[str, ...]:
    """Return a hint for a CLI that gets no key from this command line."""
    if wanted.cli is None or wanted.secret or wanted.env_from or wanted.env:
        return ()
    return (f"{wanted.cli} gets no key from this Run: name its Secret with --secret, unless the policy has one",)
