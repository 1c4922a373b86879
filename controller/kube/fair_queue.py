"""A queue that serves its lines in turn: a long line delays each other line by at most one item.

Items are first in, first out within a line; lines are served round-robin, as a fair queue of a network scheduler serves its flows.
Every operation takes constant time; the number and length of the lines do not matter.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

L = TypeVar("L", bound=Hashable)
T = TypeVar("T")


class FairQueue(Generic[L, T]):
    """Waiting items by line. The first line is served next; a line that was served goes behind all others."""

    def __init__(self) -> None:
        self._lines: OrderedDict[L, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """Return the number of items in all lines."""
        return self._length

    def put(self, line: L, item: T) -> None:
        """Append an item to a line. A line that was empty goes behind the lines that already wait."""
        self._lines.setdefault(line, deque()).append(item)
        self._length += 1

    def next(self) -> T:
        """Take the first item of the next line. Raises LookupError if the queue is empty."""
        line, items = self._lines.popitem(last=False)
        item = items.popleft()
        if items:
            self._lines[line] = items
        self._length -= 1
        return item

    def clear(self) -> None:
        """Remove all items."""
        self._lines.clear()
        self._length = 0
