"""The gate before the work queue: lets through the keys of the shards that this replica acts for. Decides nothing, asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from controller.kube.workqueue import Handle
from controller.leadership.rendezvous import shard_of

K = TypeVar("K", bound=Hashable)


class Ownership(Generic[K]):
    """The shards that this replica acts for, and the passes in hand.

    `route` says what of a key is hashed. A key that is ours goes to `add`; of one that is another's `drop` hears.
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

    def enqueue(self, key: K) -> None:
        """Have a key worked on if it is ours."""
        if self.shard(key) in self.acting:
            self._add(key)
        else:
            self.drop(key)

    def busy(self, shard: int) -> bool:
        """Whether a pass in a shard is in hand."""
        return self._busy[shard] > 0

    def wrap(self, handle: Handle[K]) -> Handle[K]:
        """Return a handler that leaves out keys that are no longer ours: they may have waited in the queue."""

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
