"""Pure: the repository that `run --repo` names, as the source of a workspace."""

from __future__ import annotations

import re

from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem

PATH_BEGINS = re.compile(r"^(?:[a-z]+://[^/]*/|[^/:]*:)")
"""A URL up to its path: `https://HOST/`, `ssh://USER@HOST/` or `USER@HOST:`. An @ before it belongs to the user."""


def source_of(repo: str | None, secret: str | None) -> JsonObject:
    """Return the part of a workspace for URL[@REVISION], empty without one. Raises Problem for a Secret alone."""
    if repo is None:
        if secret is not None:
            raise Problem(f"--repo-secret {secret} is for a repository", "name it with --repo URL")
        return {}
    url, revision = _split(repo)
    git = {"url": url, "revision": revision, "secretName": secret}
    return {"source": {"git": {key: value for key, value in git.items() if value}}}


def _split(repo: str) -> tuple[str, str]:
    """Return the URL and the revision after the last @ of the path, empty without one."""
    begin = PATH_BEGINS.match(repo)
    path = repo[begin.end() :] if begin else repo
    before, at, revision = path.rpartition("@")
    if not at:
        return repo, ""
    if not revision or not before:
        raise Problem(f"--repo {repo} names no revision after its @", "use --repo URL or --repo URL@REVISION")
    return repo[: len(repo) - len(revision) - 1], revision


def repo_secret_command(repo: str, name: str) -> str:
    """Return the kubectl command that creates a Secret for a repository."""
    if repo.startswith("https://"):
        return f"kubectl create secret generic {name} --type=kubernetes.io/basic-auth --from-literal=password=TOKEN"
    files = "--from-file=ssh-privatekey=KEY --from-file=known_hosts=FILE"
    return f"kubectl create secret generic {name} --type=kubernetes.io/ssh-auth {files}"
