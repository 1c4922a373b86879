"""Rendezvous hashing: assigns Runs to shards and shards to replicas. Pure: the same input gives the same result everywhere.

The candidate with the highest score for a key wins. A new or removed candidate therefore moves only the keys that it wins or had
won.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

SCORE_BYTES = 8


def shard_of(key: str, shards: int) -> int:
    """Return the shard of a key, counted from 0."""
    return max(range(shards), key=lambda shard: _score(key, str(shard)))


def shares(replicas: Collection[str], shards: int) -> Mapping[int, str]:
    """Assign each shard to one replica, so that the replicas' numbers differ by one at most. Without replicas, assign none.

    The highest scores are assigned first. A replica gets its fair share, rounded down, and the remainder is spread one each.
    """
    if not replicas:
        return {}
    fair, rest = divmod(shards, len(replicas))
    count = dict.fromkeys(replicas, 0)
    assigned: dict[int, str] = {}
    for _, shard, replica in sorted(((_score(r, str(s)), s, r) for s in range(shards) for r in count), reverse=True):
        more = count[replica] == fair and rest > 0
        if shard in assigned or not (count[replica] < fair or more):
            continue
        assigned[shard] = replica
        count[replica] += 1
        rest -= more
    return assigned


def _score(one: str, other: str) -> bytes:
    return hashlib.blake2b(f"{one}\n{other}".encode(), digest_size=SCORE_BYTES).digest()
