"""Decisions that wait to be written: bounded in number and in bytes, and shared by namespace."""

from __future__ import annotations

from collections import Counter, deque

from controller.ledger.entry import Entry


class Waiting:
    """A queue in which the namespace that has most gives up its latest, so that none pushes out another's."""

    def __init__(self, entries: int, size: int) -> None:
        self._entries, self._size = entries, size
        self._lines: dict[str, deque[tuple[Entry, int]]] = {}
        self._held: Counter[str] = Counter()
        """Bytes by namespace."""

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, entry: Entry, size: int) -> int:
        """Have an entry wait; return how many, this one perhaps among them, had to go for it."""
        self._lines.setdefault(entry.namespace, deque()).append((entry, size))
        self._held[entry.namespace] += size
        dropped = 0
        while len(self) > self._entries or self._held.total() > self._size:
            by_bytes = self._held.total() > self._size
            self._take(max(self._lines, key=lambda name: self._held[name] if by_bytes else len(self._lines[name])), latest=True)
            dropped += 1
        return dropped

    def take(self, count: int) -> list[Entry]:
        """Take out so many, by turns of the namespaces, each one's oldest first."""
        taken: list[Entry] = []
        while self._lines and len(taken) < count:
            namespace = next(iter(self._lines))
            taken.append(self._take(namespace, latest=False))
            if namespace in self._lines:
                self._lines[namespace] = self._lines.pop(namespace)
        return taken

    def _take(self, namespace: str, *, latest: bool) -> Entry:
        line = self._lines[namespace]
        entry, size = line.pop() if latest else line.popleft()
        self._held[namespace] -= size
        if not line:
            del self._lines[namespace], self._held[namespace]
        return entry
