"""Pure: the environment by which git trusts an agent's workspace.

A volume's root belongs to root, so git refuses a repository there ("dubious ownership"). `safe.directory` counts only in protected
configuration, of which the environment is a part from git 2.38 on. https://git-scm.com/docs/git-config#SCOPES
"""

from __future__ import annotations

import posixpath

from controller.api.base import JsonObject

COUNT = "GIT_CONFIG_COUNT"


def with_safe_directory(env: list[JsonObject], workspace: str) -> list[JsonObject]:
    """Return a container's environment with the workspace, and what is in it, as git's safe directories.

    The container's own configuration by GIT_CONFIG_* stays in force. If it cannot be counted here, nothing is added.
    """
    first = _given(env)
    root = posixpath.normpath(workspace)
    added = {COUNT: ""}
    for index, directory in enumerate((root, f"{root}/*"), start=first or 0):
        added |= {f"GIT_CONFIG_KEY_{index}": "safe.directory", f"GIT_CONFIG_VALUE_{index}": directory, COUNT: str(index + 1)}
    if first is None or any(entry["name"] in added and entry["name"] != COUNT for entry in env):
        return env
    return [*({"name": name, "value": value} for name, value in added.items()), *(e for e in env if e["name"] != COUNT)]


def _given(env: list[JsonObject]) -> int | None:
    """Return the number of settings that a container has itself, None if it is unknown: from a Secret, or no number."""
    texts = [str(entry.get("value", "unknown")) for entry in env if entry["name"] == COUNT] or ["0"]
    return int(texts[-1]) if texts[-1].isdecimal() else None
