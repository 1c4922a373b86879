"""The objects of each Run: an index that follows the changes of one object store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from controller.api.names import RunKey


class Owned(Protocol):
    """A cached object that belongs to a Run."""

    @property
    def key(self) -> RunKey:
        """The Run."""


class RunIndex:
    """From a Run to the UIDs of what names it as its Run."""

    def __init__(self) -> None:
        self._uids: dict[RunKey, set[str]] = {}

    def of(self, run: RunKey) -> Collection[str]:
        """Return the UIDs of what names a Run."""
        return self._uids.get(run, ())

    def runs(self) -> Collection[RunKey]:
        """Return every Run that something names."""
        return self._uids.keys()

    def update(self, uid: str, old: Owned | None, new: Owned | None) -> None:
        """Follow the change of an object."""
        if old and (new is None or new.key != old.key):
            self._uids.get(old.key, set()).discard(uid)
        if new:
            self._uids.setdefault(new.key, set()).add(uid)
        if old and not self._uids.get(old.key):
            self._uids.pop(old.key, None)
