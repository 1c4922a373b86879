"""Pure: what `run` adds to an agent for the time after its work: its verification and its publication."""

from __future__ import annotations

from controller.cli.rw.objects import JsonObject
from controller.cli.rw.task_text import SHELL
from controller.cli.rw.user_error import Problem


def verify_of(command: str | None, image: str | None) -> JsonObject:
    """Return the part of an agent for a command line that verifies its work, empty without one. Raises Problem."""
    if command is None:
        if image is not None:
            raise Problem(f"--verify-image {image} is for a verification", "name its command with --verify COMMAND")
        return {}
    if not command.strip():
        raise Problem("--verify has no command", "give what checks the work, such as --verify 'pytest -q'")
    return {"verify": {**({"image": image} if image else {}), "command": [*SHELL, command]}}


def publish_of(branch: str | None, secret: str | None, repo: str | None) -> JsonObject:
    """Return the part of an agent for the branch that its work is pushed to, empty without one. Raises Problem."""
    if branch is None:
        if secret is not None:
            raise Problem(f"--publish-secret {secret} is for a branch", "name it with --publish BRANCH")
        return {}
    if repo is None:
        raise Problem(f"--publish {branch} needs a repository", "name it with --repo URL")
    return {"publish": {"git": {"branch": branch, **({"secretName": secret} if secret else {})}}}
