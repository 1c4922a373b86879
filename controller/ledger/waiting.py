"""A queue of decisions to write. It is bounded in entries and bytes, and shared fairly by namespaces."""

from __future__ import annotations

from collections import Counter, deque
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """Something about a Run."""

    @property
    def namespace(self) -> str:
        """The Run's namespace."""


Item = TypeVar("Item", bound=Owned)


class Waiting(Generic[Item]):
    """A bounded queue. When it is full, the largest namespace loses its latest entry, so that it cannot displace others."""

    def __init__(self, entries: int, size: int) -> None:
        self._entries, self._size = entries, size
        self._queues: dict[str, deque[tuple[Item, int]]] = {}
        self._held: Counter[str] = Counter()
        """Queued bytes by namespace."""

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, entry: Item, size: int) -> int:
        """Add an entry. Return the number of dropped entries, which may include this one."""
        self._queues.setdefault(entry.namespace, deque()).append((entry, size))
        self._held[entry.namespace] += size
        dropped = 0
        while len(self) > self._entries or self._held.total() > self._size:
            by_bytes = self._held.total() > self._size
            self._take(max(self._queues, key=lambda name: self._held[name] if by_bytes else len(self._queues[name])), latest=True)
            dropped += 1
        return dropped

    def take(self, count: int) -> list[Item]:
        """Remove and return up to `count` entries, round-robin by namespace, the oldest first."""
        taken: list[Item] = []
        while self._queues and len(taken) < count:
            namespace = next(iter(self._queues))
            taken.append(self._take(namespace, latest=False))
            if namespace in self._queues:
                self._queues[namespace] = self._queues.pop(namespace)
        return taken

    def _take(self, namespace: str, *, latest: bool) -> Item:
        queue = self._queues[namespace]
        entry, size = queue.pop() if latest else queue.popleft()
        self._held[namespace] -= size
        if not queue:
            del self._queues[namespace], self._held[namespace]
        return entry
