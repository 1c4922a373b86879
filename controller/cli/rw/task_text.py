"""Pure: the verification and the publication of an agent's work in words, and the tasks of pods."""

from __future__ import annotations

import shlex

from controller.api.names import named_task
from controller.cli.rw.objects import JsonObject, name_of

SHELL = ["/bin/sh", "-c"]
"""The beginning of a command that is one line for a shell, as `run --verify` writes it."""


def task_of(pod: JsonObject) -> str:
    """Return the task of a pod, which is also the name of its judged container; empty for an attempt's own pod."""
    found = named_task(name_of(pod))
    return found.label if found else ""


def task_number(pod: JsonObject) -> int:
    """Return which try of its task a pod is, from 0."""
    found = named_task(name_of(pod))
    return found.number if found else 0


def verification_words(agent: JsonObject, status: JsonObject) -> str:
    """Return how an agent's work is verified and with which result, empty for an agent without verification."""
    verify, found = agent.get("verify"), status.get("verification") or {}
    if not verify:
        return ""
    command = command_words(verify)
    match found.get("result"):
        case "Running":
            return f"attempt {found['attempt']} is being verified by {command}"
        case "Passed":
            return f"attempt {found['attempt']} was verified by {command}"
        case "Failed":
            code = found.get("exitCode")
            how = f"exit code {code}" if code is not None else "it did not end in time"
            return f"attempt {found['attempt']} failed the verification by {command}: {how}"
        case _:
            return f"verified by {command} when an attempt is complete"


def published_words(agent: JsonObject, status: JsonObject) -> str:
    """Return where an agent's work is published, empty for an agent without publication."""
    git, found = (agent.get("publish") or {}).get("git"), status.get("published") or {}
    if not git:
        return ""
    if not found:
        return f"published to branch {git['branch']} when it is complete{' and verified' if agent.get('verify') else ''}"
    left_out = f"; left out: {found['leftOut']}" if found.get("leftOut") else ""
    return f"published to branch {found['branch']} at {found['commit']}{left_out}"


def failed_output(status: JsonObject, lines: int) -> list[str]:
    """Return the last lines of the output of an agent's failed verification."""
    found = status.get("verification") or {}
    return str(found.get("message") or "").splitlines()[-lines:] if found.get("result") == "Failed" else []


def command_words(task: JsonObject) -> str:
    """Return the command of a task as one types it."""
    words = task["command"]
    return words[2] if words[:2] == SHELL and len(words) == len(SHELL) + 1 else shlex.join(words)
