"""The newest version of every watched object of one resource; never goes back in time, whatever order news come in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, NamedTuple, TypeVar

from controller.api.base import JsonObject

T = TypeVar("T")

BURIED_LIMIT = 4096
"""How many UIDs of deleted objects are remembered: a late answer must not bring one back."""


class Kept(NamedTuple, Generic[T]):
    """One object as far as it is kept: where it is, at which version, and what was made of it."""

    namespace: str
    name: str
    version: int
    value: T


class Shelf(Generic[T]):
    """The newest version of every object of one resource; a `Sink` for a reflector.

    `make` turns an object into what is kept, given what was kept before. `changed` hears of the UID, what was and what is.
    Objects of the same UID never go back to an older resourceVersion: watches, relists and our own writes race.
    """

    def __init__(
        self,
        make: Callable[[JsonObject, T | None], T],
        changed: Callable[[str, Kept[T] | None, Kept[T] | None], None],
    ) -> None:
        self._make, self._changed = make, changed
        self.items: dict[str, Kept[T]] = {}
        self._buried: dict[str, None] = {}

    def upsert(self, obj: JsonObject) -> None:
        """Keep an object unless a newer version of it is kept."""
        meta = obj["metadata"]
        uid, version = meta["uid"], int(meta["resourceVersion"])
        old = self.items.get(uid)
        if uid in self._buried or (old is not None and version <= old.version):
            return
        kept = Kept(meta.get("namespace", ""), meta["name"], version, self._make(obj, old.value if old else None))
        self.items[uid] = kept
        self._changed(uid, old, kept)

    def remove(self, obj: JsonObject) -> None:
        """Forget an object."""
        self._forget(obj["metadata"]["uid"])

    def retain(self, namespace: str | None, uids: Collection[str], resource_version: str) -> None:
        """Forget what is older than a whole list (of a namespace) and not in it."""
        for uid, kept in list(self.items.items()):
            in_scope = namespace is None or kept.namespace == namespace
            if in_scope and uid not in uids and kept.version <= int(resource_version):
                self._forget(uid)

    def _forget(self, uid: str) -> None:
        old = self.items.pop(uid, None)
        self._buried[uid] = None
        if len(self._buried) > BURIED_LIMIT:
            del self._buried[next(iter(self._buried))]
        if old is not None:
            self._changed(uid, old, None)
