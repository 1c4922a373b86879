"""A filter before the work queue: passes the keys of the shards that this replica acts for. It decides nothing itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from controller.kube.workqueue import Handle
from controller.leadership.rendezvous import shard_of

K = TypeVar("K", bound=Hashable)


class Ownership(Generic[K]):
    """The shards that this replica acts for, and the running passes in each.

    `route` returns the text to hash for a key. A key of this replica goes to `add`, a key of another to `drop`.
    """

    def __init__(self, route: Callable[[K], str], add: Callable[[K], None]) -> None:
        self._route, self._add = route, add
        self._busy: Counter[int] = Counter()
        self.drop: Callable[[K], None] = lambda _: None
        self.shards = 1
        self.acting: frozenset[int] = frozenset()

    def shard(self, key: K) -> int:
        """Return the shard of a key."""
        return shard_of(self._route(key), self.shards)

    def enqueue(self, key: K, add: Callable[[K], None] | None = None) -> None:
        """Enqueue a key if it belongs to this replica, else drop it. `add` takes the place of the usual one."""
        if self.shard(key) in self.acting:
            (add or self._add)(key)
        else:
            self.drop(key)

    def busy(self, shard: int) -> bool:
        """Whether a pass of a shard is running."""
        return self._busy[shard] > 0

    def wrap(self, handle: Handle[K]) -> Handle[K]:
        """Return a handler that skips keys that moved to another replica while they were queued."""

        async def guarded(key: K) -> float | None:
            shard = self.shard(key)
            if shard not in self.acting:
                return None
            self._busy[shard] += 1
            try:
                return await handle(key)
            finally:
                self._busy[shard] -= 1
                if shard not in self.acting:
                    self.drop(key)

        return guarded
