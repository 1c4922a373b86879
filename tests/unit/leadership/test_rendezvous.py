"""The assignment of Runs to shards and shards to replicas: total, fair, and stable when numbers change."""

from __future__ import annotations

import uuid
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from controller.leadership.rendezvous import shard_of, shares

UIDS = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(4000)]
NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=9, unique=True)
SLACK = 0.25
"""Allowed deviation of a share of 4,000 Runs over at most 9 shards from its mean: five standard deviations are 0.24."""


@given(st.text(), st.integers(1, 32))
def test_every_run_is_in_one_shard(uid: str, shards: int) -> None:
    """Any key maps to one of the existing shards."""
    assert shard_of(uid, shards) in range(shards)


def test_the_hash_is_not_of_this_process() -> None:
    """The shard of a UID is fixed for ever, so that replicas of two versions agree."""
    assert [shard_of("7a6f3c1e-0000-4000-8000-000000000000", shards) for shards in (1, 2, 3, 5, 8)] == [0, 1, 2, 3, 5]


@given(st.integers(1, 9))
def test_shards_are_of_about_one_size(shards: int) -> None:
    """No shard has a quarter more or less Runs than the mean."""
    sizes = Counter(shard_of(uid, shards) for uid in UIDS)
    mean = len(UIDS) / shards
    assert all(abs(sizes[shard] - mean) <= SLACK * mean for shard in range(shards))


@given(st.integers(1, 9))
def test_one_more_shard_takes_its_share_and_moves_nothing_else(shards: int) -> None:
    """From N to N + 1 shards a Run stays or moves to the new shard; about one in N + 1 moves."""
    before, after = ([shard_of(uid, number) for uid in UIDS] for number in (shards, shards + 1))
    moved = [there for here, there in zip(before, after, strict=True) if here != there]
    assert set(moved) == {shards}
    share = len(UIDS) / (shards + 1)
    assert abs(len(moved) - share) <= SLACK * share


@given(NAMES, st.integers(1, 32))
def test_shares_are_total_and_fair(replicas: list[str], shards: int) -> None:
    """Every shard is assigned to one replica, and no replica has two more than another."""
    given = shares(replicas, shards)
    had = Counter(given.values())
    assert sorted(given) == list(range(shards))
    assert max(had[name] for name in replicas) - min(had[name] for name in replicas) <= 1


@given(NAMES, st.integers(1, 32), st.randoms())
def test_shares_hang_on_who_is_there_alone(replicas: list[str], shards: int, random: Random) -> None:
    """Replicas compute the same assignment, in any order in which they see each other."""
    mixed = random.sample(replicas, len(replicas))
    assert shares(mixed, shards) == shares(replicas, shards)


def test_nobody_is_due_nothing() -> None:
    """Without replicas no shard is assigned."""
    assert shares([], 3) == {}


@given(st.integers(2, 9), st.integers(1, 32))
def test_one_replica_less_moves_few_shards_beside_its_own(number: int, shards: int) -> None:
    """When a replica leaves, its shards are reassigned; at most as many of the others' shards move, to keep it fair."""
    replicas = [f"replica-{place}" for place in range(number)]
    before, after = shares(replicas, shards), shares(replicas[:-1], shards)
    gone = [shard for shard, name in before.items() if name == replicas[-1]]
    moved = [shard for shard, name in before.items() if name != replicas[-1] and after[shard] != name]
    assert len(moved) <= max(len(gone), 1) * 2
