"""Objects that cannot be judged are counted, and logged once a version with namespace and name: whose object it is must be seen."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.api.base import JsonObject

log = structlog.get_logger(__name__)

REMEMBERED = 4096
"""Versions of objects that are not logged again."""


class UnreadableObjects:
    """Takes note of each. An object that is read live again and again is counted and logged once.

    `count` is called with the resource of each object.
    """

    def __init__(self, count: Callable[[str], None]) -> None:
        self._count = count
        self._seen: dict[tuple[str, str], None] = {}

    def __call__(self, resource: str, obj: JsonObject, why: str) -> None:
        """Note an object of a resource that cannot be judged, and the reason."""
        meta = obj["metadata"]
        version = (meta.get("uid", ""), meta.get("resourceVersion", ""))
        if version in self._seen:
            return
        self._seen[version] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._count(resource)
        log.warning("object cannot be read", resource=resource, namespace=meta.get("namespace"), name=meta.get("name"), why=why)
