"""Max-min fair sharing of a limit: small sizes fit whole, the largest are cut first. Pure."""

from __future__ import annotations

from collections.abc import Collection


def level(sizes: Collection[int], limit: int) -> int:
    """Return the maximum for each size so that all fit into the limit together. If they fit already, return the limit."""
    left, sharers = limit, len(sizes)
    for size in sorted(sizes):
        if size * sharers > left:
            return left // sharers
        left, sharers = left - size, sharers - 1
    return limit
