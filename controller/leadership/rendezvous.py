"""Pure: which shard a Run is in, and which replica each shard is due to. Whoever knows the same computes the same.

Rendezvous hashing: of all candidates the one wins that scores highest together with the key, so that one more or one less moves
only what it wins or what it had won.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

SCORE_BYTES = 8


def shard_of(key: str, shards: int) -> int:
    """Return the shard of a key, from 0."""
    return max(range(shards), key=lambda shard: _score(key, str(shard)))


def shares(replicas: Collection[str], shards: int) -> Mapping[int, str]:
    """Give each shard to one replica, so that no replica has two more than another; nobody gets any where there is none.

    The best scores choose first. A replica has its fair share, rounded down, and as many as the rest of the division have one more.
    """
    if not replicas:
        return {}
    fair, rest = divmod(shards, len(replicas))
    had = dict.fromkeys(replicas, 0)
    given: dict[int, str] = {}
    for _, shard, replica in sorted(((_score(r, str(s)), s, r) for s in range(shards) for r in had), reverse=True):
        more = had[replica] == fair and rest > 0
        if shard in given or not (had[replica] < fair or more):
            continue
        given[shard] = replica
        had[replica] += 1
        rest -= more
    return given


def _score(one: str, other: str) -> bytes:
    return hashlib.blake2b(f"{one}\n{other}".encode(), digest_size=SCORE_BYTES).digest()
