"""Pure: how a limit is shared, so that whoever has little keeps it all and whoever has most is cut first."""

from __future__ import annotations

from collections.abc import Collection


def level(sizes: Collection[int], limit: int) -> int:
    """Return the most that each may have so that all of it fits into a limit; the limit itself where it does as it is."""
    left, sharers = limit, len(sizes)
    for size in sorted(sizes):
        if size * sharers > left:
            return left // sharers
        left, sharers = left - size, sharers - 1
    return limit
