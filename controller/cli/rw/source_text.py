"""Pure: the source of an agent's workspace in words."""

from __future__ import annotations

from controller.cli.rw.objects import JsonObject


def source_words(agent: JsonObject, status: JsonObject) -> str:
    """Return where an agent's workspace comes from and the cloned commit, empty for a workspace without source."""
    git = ((agent.get("workspace") or {}).get("source") or {}).get("git")
    if not git:
        return ""
    wanted = f" ({git['revision']})" if git.get("revision") else ""
    cloned = (status.get("source") or {}).get("revision")
    return f"source {git['url']}{wanted}, {f'cloned at {cloned}' if cloned else 'not cloned yet'}"
