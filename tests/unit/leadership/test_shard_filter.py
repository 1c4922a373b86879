"""The filter in front of the work queue."""

from __future__ import annotations

import asyncio

from controller.leadership.shard_filter import Ownership

KEYS = [f"key-{number}" for number in range(30)]


def test_ours_are_added_and_others_let_go() -> None:
    """Each key is either handled or dropped here; only its shard decides."""
    added: list[str] = []
    drop: list[str] = []
    ownership = Ownership(lambda key: key, added.append)
    ownership.drop, ownership.shards, ownership.acting = drop.append, 3, frozenset({1})
    for key in KEYS:
        ownership.enqueue(key)
    assert added == [key for key in KEYS if ownership.shard(key) == 1]
    assert sorted(added + drop) == sorted(KEYS)


def test_a_deferred_key_is_filtered_alike() -> None:
    """A key that is due later takes another way into the queue, through the same filter."""
    added, deferred, drop = list[str](), list[str](), list[str]()
    ownership = Ownership(lambda key: key, added.append)
    ownership.drop, ownership.shards, ownership.acting = drop.append, 3, frozenset({1})
    for key in KEYS:
        ownership.enqueue(key, deferred.append)
    assert (added, deferred) == ([], [key for key in KEYS if ownership.shard(key) == 1])
    assert sorted(deferred + drop) == sorted(KEYS)


async def test_what_waited_too_long_is_not_worked_on() -> None:
    """A key that was ours when it was queued, and belongs to another replica when its turn comes, is skipped."""
    handled: list[str] = []

    async def handle(key: str) -> float | None:
        handled.append(key)
        return 5.0

    ownership = Ownership(lambda key: key, lambda _: None)
    guarded = ownership.wrap(handle)
    assert await guarded("key") is None
    ownership.acting = frozenset({0})
    assert await guarded("key") == 5.0
    assert handled == ["key"]


async def test_a_shard_is_busy_until_its_passes_have_ended() -> None:
    """Passes that run when their shard leaves are finished; the shard is busy until then, and no data about the key remains."""
    go, drop = asyncio.Event(), list[str]()

    async def handle(_: str) -> float | None:
        await go.wait()
        raise RuntimeError

    ownership = Ownership(lambda key: key, lambda _: None)
    ownership.drop, ownership.acting = drop.append, frozenset({0})
    pass_ = asyncio.ensure_future(ownership.wrap(handle)("key"))
    await asyncio.sleep(0)
    ownership.acting = frozenset()
    assert ownership.busy(0)
    assert not drop
    go.set()
    await asyncio.wait([pass_])
    assert isinstance(pass_.exception(), RuntimeError)
    assert not ownership.busy(0)
    assert drop == ["key"]
