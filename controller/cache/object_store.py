"""The newest version of every watched object of one resource; never goes back in time, whatever order news come in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.kube.decode import UNREADABLE

T = TypeVar("T")

BURIED_LIMIT = 4096
"""How many UIDs of deleted objects are remembered: a late answer must not bring one back."""


class Entry(NamedTuple, Generic[T]):
    """One object as far as it is kept: where it is, at which version, and what was made of it."""

    namespace: str
    name: str
    version: int
    value: T


Make = Callable[[JsonObject, T | None], T | None]
"""Turns an object into what is kept of it, given what was kept before; None for nothing."""

Remains = Callable[[JsonObject, str], T | None]
"""Turns an object that cannot be judged, for the reason given, into what is kept in its place; None for nothing."""

Unreadable = Callable[[JsonObject, str], None]
"""Called with an object that cannot be judged, and the reason."""


Changed = Callable[[str, Entry[T] | None, Entry[T] | None, RunKey | None], None]
"""Called with a changed object's UID, its entries before and now, and the Run whose reconcile changed it, if one did."""


def guarded(obj: JsonObject, make: Callable[[], T], remains: Callable[[str], T]) -> T:
    """Return what `make` makes of an object, or what `remains` has for one that cannot be decoded or judged; never raises."""
    if why := obj.get(UNREADABLE):
        return remains(why)
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # anybody may have written the object: what it raises is its own affair
        return remains(f"{type(error).__name__}: {error}")


class ObjectStore(Generic[T]):
    """The newest version of every object of one resource; a `Sink` for a reflector.

    `make` may raise whatever it likes: anybody may have written the object. Then, as for an object that could not be decoded, what
    `remains` returns is kept in its place, and `unreadable` is called. `changed` is called after each change.
    Objects of the same UID never go back to an older resourceVersion: watches, relists and our own writes race.
    """

    def __init__(
        self,
        make: Make[T],
        remains: Remains[T],
        changed: Changed[T],
        unreadable: Unreadable = lambda *_: None,
    ) -> None:
        self._make, self._remains, self._changed, self._unreadable = make, remains, changed, unreadable
        self.items: dict[str, Entry[T]] = {}
        self._tombstones: dict[str, None] = {}

    def upsert(self, obj: JsonObject, by: RunKey | None = None) -> None:
        """Keep an object unless a newer version of it is kept. One without identity, which no API server gives, is passed over.

        `by` is the Run whose reconcile wrote or read the object; it is passed to `changed`.
        """
        meta = obj["metadata"]
        uid, version = meta.get("uid", ""), int(meta.get("resourceVersion", 0))
        old = self.items.get(uid)
        if not uid or uid in self._tombstones or (old is not None and version <= old.version):
            return
        value = self.judge(obj)
        if value is None:
            self._drop(uid, by)
            return
        kept = Entry(meta.get("namespace", ""), meta["name"], version, value)
        self.items[uid] = kept
        self._changed(uid, old, kept, by)

    def judge(self, obj: JsonObject) -> T | None:
        """Return what would be kept of an object. Raises nothing, whatever is in it."""
        old = self.items.get(obj["metadata"]["uid"])
        return guarded(obj, lambda: self._make(obj, old.value if old else None), partial(self._give_up, obj))

    def _give_up(self, obj: JsonObject, why: str) -> T | None:
        self._unreadable(obj, why)
        return self._remains(obj, why)

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
        self._tombstones[uid] = None
        if len(self._tombstones) > BURIED_LIMIT:
            del self._tombstones[next(iter(self._tombstones))]
        self._drop(uid)

    def _drop(self, uid: str, by: RunKey | None = None) -> None:
        old = self.items.pop(uid, None)
        if old is not None:
            self._changed(uid, old, None, by)
