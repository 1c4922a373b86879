"""Pure: the last words of the containers in a task's pod: the verified tree, the output of a command, the pushed commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from controller.api.base import MAX_OUTPUT, JsonObject
from controller.api.names import COPY_CONTAINER, PUBLISH_CONTAINER, PUSH_CONTAINER, named_task
from controller.api.redaction import recorded

COPIED = re.compile(r"tree ([0-9a-f]{40}|[0-9a-f]{64})")
"""The last words of images/git/rw-copy after a success, if the workspace has a source."""


def task_words(pod: str, status: JsonObject) -> dict[str, Any]:
    """Return the facts of `PodFacts` about the last words in a task's pod of this name; none for an attempt's own pod."""
    task = named_task(pod)
    if task is None:
        return {}
    ends = dict(_ends(status))
    copied, pushed = ends.get(COPY_CONTAINER, {}), ends.get(PUSH_CONTAINER, ends.get(PUBLISH_CONTAINER, {}))
    tree = COPIED.fullmatch(copied.get("message", "").strip()) if copied.get("exitCode") == 0 else None
    return {
        "task_tree": tree[1] if tree else "",
        "task_words": _words(ends.get(task.label) or _failed(ends)),
        "pushed_words": _words(pushed) if pushed.get("exitCode") == 0 else "",
    }


def _ends(status: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield the name and the termination of each container that has ended."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind, ()):
            if ended := container.get("state", {}).get("terminated"):
                yield container["name"], ended


def _failed(ends: dict[str, JsonObject]) -> JsonObject:
    """Return the end of the init container that failed the pod: it is the last one that has ended."""
    return next((end for end in reversed(ends.values()) if end.get("exitCode")), {})


def _words(end: JsonObject) -> str:
    """Return the end of a container's last words without secrets; the end of an output says most."""
    return _last(recorded(_last(end.get("message", ""))))


def _last(text: str) -> str:
    """Return the end of a text of at most MAX_OUTPUT bytes, so that the records of all agents of a Run fit into an annotation."""
    return text.encode("utf-8", "replace")[-MAX_OUTPUT:].decode(errors="ignore")
