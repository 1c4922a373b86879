"""Lines that take turns: whoever has much in line holds up nobody else for longer than one item.

What waits is served line by line in turn, in order within a line, as a scheduler's fair queue does with its flows. Every operation
takes constant time, however many lines there are and however long they are.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

L = TypeVar("L", bound=Hashable)
T = TypeVar("T")


class FairQueue(Generic[L, T]):
    """What waits, by line. The line whose turn is next comes first; one that was served waits for all others."""

    def __init__(self) -> None:
        self._lines: OrderedDict[L, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """Return how much waits in all lines."""
        return self._length

    def put(self, line: L, item: T) -> None:
        """Put something at a line's end; a line that was empty has its turn after those that wait already."""
        self._lines.setdefault(line, deque()).append(item)
        self._length += 1

    def next(self) -> T:
        """Take the first item of the line whose turn it is. Raises LookupError where nothing waits."""
        line, items = self._lines.popitem(last=False)
        item = items.popleft()
        if items:
            self._lines[line] = items
        self._length -= 1
        return item

    def clear(self) -> None:
        """Forget everything."""
        self._lines.clear()
        self._length = 0
