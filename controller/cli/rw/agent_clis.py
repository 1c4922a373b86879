"""Pure: the CLIs that `run --agent` starts by `rw exec`, with their images (images/*-agent) and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from controller.cli.rw.manifest import Wanted
from controller.cli.rw.user_error import Problem

REGISTRY = "ghcr.io/runwatchman"
"""The registry of the released images, as in the chart's values."""

IMAGES_PAGE = "docs/clis.md#images"


class AgentCLI(NamedTuple):
    """A CLI: the variable with its key, and whether a release has an image with it."""

    key: str
    published: bool


CLIS = {"codex": AgentCLI("OPENAI_API_KEY", published=True), "claude": AgentCLI("ANTHROPIC_API_KEY", published=False)}
"""The CLIs by name. claude's licence reserves all rights, so no release has an image with it."""


def equipped(wanted: Wanted, version: Callable[[], str]) -> Wanted:
    """Return the options with the image, the command and the kept workspace of the CLI that they name.

    `version` returns that of this program, which is also the images'. Raises Problem.
    """
    if wanted.cli is None:
        if not wanted.image:
            raise Problem("there is no agent to run", f"name a CLI with --agent {'|'.join(CLIS)}, or an image with --image")
        return wanted
    if not (wanted.brief or "").strip():
        raise Problem(f"{wanted.cli} needs a prompt", "give it after the Run's name, by --brief-file, or as - on stdin")
    image = wanted.image or image_of(wanted.cli, version())
    return replace(wanted, image=image, command=command_of(wanted.cli, wanted.command), workspace=wanted.workspace or "")


def image_of(cli: str, version: str) -> str:
    """Return the image of a CLI in the release of this version. Raises Problem if releases have none."""
    if not CLIS[cli].published:
        remedy = f"build images/{cli}-agent, push it to a registry of yours, and name it with --image ({IMAGES_PAGE})"
        raise Problem(f"no image with {cli} is published, because its licence reserves all rights", remedy)
    return f"{REGISTRY}/{cli}-agent:{version}"


def command_of(cli: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command of the agent's container. `words` are more options of the CLI. Raises Problem for any other word."""
    if words and not words[0].startswith("-"):
        remedy = "put the prompt before the --, and leave --agent out to run a command of your own"
        raise Problem(f"after -- there are options of {cli}, and {words[0]} is none", remedy)
    return ("rw", "exec", cli, *words)


def secret_command(cli: str | None, name: str) -> str:
    """Return the kubectl command that creates a Secret with a CLI's key."""
    return f"kubectl create secret generic {name} --from-literal={CLIS[cli].key if cli else 'KEY'}=..."
