"""The newest version of every watched object of one resource, in any order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.api.violations import Refused
from controller.kube.decode import UNREADABLE

T = TypeVar("T")

BURIED_LIMIT = 4096
"""UIDs of deleted objects that are remembered: a late answer must not restore one."""


class Entry(NamedTuple, Generic[T]):
    """One object: namespace, name, resourceVersion, and the value that is kept of it."""

    namespace: str
    name: str
    version: int
    value: T


Make = Callable[[JsonObject, T | None], T | None]
"""Turns an object and the value kept before into the value to keep; None to keep nothing."""

Remains = Callable[[JsonObject, str], T | None]
"""Turns an object that cannot be judged, and the reason, into the value to keep; None to keep nothing."""

Unreadable = Callable[[JsonObject, str], None]
"""Called with an object that cannot be judged, and the reason."""


Changed = Callable[[str, Entry[T] | None, Entry[T] | None, RunKey | None], None]
"""Called with a changed object's UID, its entries before and now, and the Run whose reconcile changed it, if one did."""


def guarded(obj: JsonObject, make: Callable[[], T], remains: Callable[[str], T]) -> T:
    """Return the result of `make`, or of `remains` for an object that cannot be decoded or judged. Never raises."""
    if why := obj.get(UNREADABLE):
        return remains(why)
    try:
        return make()
    except Refused as error:  # its words are for people
        return remains(str(error))
    except Exception as error:  # noqa: BLE001  # the fence: users write objects, and no error may end the watch; `remains` counts and logs it
        return remains(f"{type(error).__name__}: {error}")


class ObjectStore(Generic[T]):
    """The newest version of every object of one resource; a `Sink` for a reflector.

    `make` may raise any exception: users write the objects. The store then keeps the result of `remains`, as it does for an object
    that could not be decoded, and calls `unreadable`. `changed` is called after each change. Objects of the same UID never go back
    to an older resourceVersion: watches, relists and our own writes race.
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
        """Keep an object unless a newer version of it is kept. An object without a UID, which no API server sends, is ignored.

        `by` is the Run whose reconcile wrote or read the object; it is passed to `changed`.
        """
        if self._is_newer(obj):
            self._keep(obj, self.judge(obj), by)

    def apply(self, obj: JsonObject, by: RunKey | None = None) -> T | None:
        """Keep an object as `upsert` does; return the value of this very object, also if its version or a newer one is kept.

        The API server answers the removal of a deleted object's last finalizer with the former version and the new content.
        """
        value = self.judge(obj)
        if self._is_newer(obj):
            self._keep(obj, value, by)
        return value

    def _is_newer(self, obj: JsonObject) -> bool:
        meta = obj["metadata"]
        uid, version = meta.get("uid", ""), int(meta.get("resourceVersion", 0))
        old = self.items.get(uid)
        return bool(uid) and uid not in self._tombstones and (old is None or version > old.version)

    def _keep(self, obj: JsonObject, value: T | None, by: RunKey | None) -> None:
        meta = obj["metadata"]
        uid = meta["uid"]
        if value is None:
            self._drop(uid, by)
            return
        old, entry = self.items.get(uid), Entry(meta.get("namespace", ""), meta["name"], int(meta.get("resourceVersion", 0)), value)
        self.items[uid] = entry
        self._changed(uid, old, entry, by)

    def judge(self, obj: JsonObject) -> T | None:
        """Return the value that would be kept of an object. Never raises."""
        old = self.items.get(obj["metadata"]["uid"])
        return guarded(obj, lambda: self._make(obj, old.value if old else None), partial(self._give_up, obj))

    def _give_up(self, obj: JsonObject, why: str) -> T | None:
        self._unreadable(obj, why)
        return self._remains(obj, why)

    def remove(self, obj: JsonObject) -> None:
        """Forget an object."""
        self._forget(obj["metadata"]["uid"])

    def retain(self, namespace: str | None, uids: Collection[str], resource_version: str) -> None:
        """Forget objects that are older than a complete list (of a namespace) and not in it."""
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
