"""A search over changes of the shard count: real replicas, Leases in memory, and requests in random order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.base import JsonObject
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.kube.client import Client
from controller.kube.leader_election import LeaderLease, LeaseTimings
from controller.kube.workqueue import Handle
from controller.leadership import lease_observer
from controller.leadership.membership import Leases, Membership
from controller.leadership.replica import ReplicaIdentity
from controller.leadership.shard_map import Mode, ShardMap
from tests.unit.leadership.fake_lease_api import Office
from tests.unit.leadership.virtual import monotonic, play

LONGEST_DRAIN, LONGEST_PAUSE = 20.0, 12.0
"""Seconds that running passes may take at the end of a replica, and between two events of the replicas."""
REST = 120.0
"""Seconds after which undisturbed replicas have settled."""
ORDERS = 30
"""Orders per search; a missing rule is found within a few."""


async def _nothing(_: object) -> None:
    return None


class Replica:
    """One process: it runs as `Operator` does, without caches and workers."""

    def __init__(self, office: Office, name: str, told: int, draw: Random) -> None:
        self._client, self._draw = cast("Client", office.desk()), draw
        self._identity = ReplicaIdentity("home", "runwatchman", name, LeaseTimings(), told)
        self._over = asyncio.Event()
        self._next: Mode | None = None
        self.told, self.leases = told, cast("Leases | None", None)
        self.task = asyncio.create_task(self._live())

    def acting(self) -> Counter[tuple[str, int]]:
        """Return the shards that it acts for, each with its epoch; a lone operator acts for all, without one."""
        if self.task.done() or self.leases is None or not self.leases.is_leader:
            return Counter()
        if isinstance(self.leases, LeaderLease):
            return Counter({("alone", 0): 1})
        _, epoch, acting = self.leases.standing
        return Counter({(f"epoch {epoch}", shard): 1 for shard in acting})

    def end(self) -> None:
        """End the replica as SIGTERM does."""
        self._next = None
        self._over.set()

    def _begin_anew(self, mode: Mode) -> None:
        if not self._over.is_set():
            self._next = mode
            self._over.set()

    async def _live(self) -> None:
        mode: Mode | None = Mode.SHARED if self.told > 1 else Mode.ALONE
        while mode:
            self._next = None
            member = Membership((), mode, PolicyFileWatcher(None), lambda _: None, self._begin_anew)
            self.leases = member.create_leases(self._client, self._identity)
            over = asyncio.create_task(self._over.wait())
            await self._one_life(member, self.leases, over)
            await self.leases.release()
            mode = self._next
            self._over.clear()

    async def _one_life(self, member: Membership, leases: Leases, over: asyncio.Task[bool]) -> None:
        acquired = asyncio.create_task(leases.acquire())
        await asyncio.wait([acquired, over], return_when=asyncio.FIRST_COMPLETED)
        if not acquired.done():
            acquired.cancel()
            await asyncio.wait([acquired])
            return
        handle: Handle[object] = _nothing
        member.begin(handle, lambda _: None)
        held = asyncio.create_task(leases.hold())
        await asyncio.wait([held, over], return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            await asyncio.sleep(self._draw.uniform(0, LONGEST_DRAIN))
            await leases.release()
            held.cancel()
        with suppress(asyncio.CancelledError):
            await held


class Fleet:
    """Replicas that come and go."""

    def __init__(self, draw: Random) -> None:
        self.office, self._draw = Office(draw, self._glance), draw
        self.replicas: list[Replica] = []
        self.faults: list[str] = []

    async def play(self, told: list[int]) -> None:
        """Start replicas with their shard counts, end most of them in some order, and check that the remaining ones settle."""
        for number in told:
            self.replicas.append(Replica(self.office, f"replica-{len(self.replicas)}", number, self._draw))
            await self._pause()
        for replica in self._draw.sample(self.replicas[:-1], k=max(0, len(told) - 2)):
            replica.end()
            await self._pause()
        await asyncio.sleep(REST)
        self._see_rest()
        for replica in self.replicas:
            replica.end()
        await asyncio.gather(*(replica.task for replica in self.replicas))
        for name, lease in self.office.leases.items():
            if lease["spec"]["holderIdentity"]:
                self.faults.append(f"{name} was not given up")

    async def _pause(self) -> None:
        await asyncio.sleep(self._draw.uniform(0, LONGEST_PAUSE))

    def _acting(self) -> Counter[tuple[str, int]]:
        return sum((replica.acting() for replica in self.replicas), Counter[tuple[str, int]]())

    def _glance(self) -> None:
        acting = self._acting()
        if len({under for under, _ in acting}) > 1:
            self.faults.append(f"{monotonic():.2f}: under two epochs: {sorted(acting)}")
        if acting and max(acting.values()) > 1:
            self.faults.append(f"{monotonic():.2f}: two act for one: {acting}")
        now = lease_observer.layout_of(self.office.leases.get("runwatchman"))
        for shard in range(now.shards, now.most):
            lease = self.office.leases.get(lease_observer.shard_name("runwatchman", shard), {"spec": {"holderIdentity": ""}})
            if lease["spec"]["holderIdentity"] and lease["metadata"]["annotations"][lease_observer.HELD_UNDER] == str(now.epoch):
                self.faults.append(f"{monotonic():.2f}: shard {shard} of {now.shards} is held")

    def _see_rest(self) -> None:
        living = [replica for replica in self.replicas if not replica.task.done()]
        number = living[-1].told
        acting = self._acting()
        if sorted(shard for _, shard in acting.elements()) != list(range(number)):
            self.faults.append(f"no rest: {sorted(acting)} of {number} shards")
        if number == 1 and all(replica.told == 1 for replica in living) and set(acting) != {("alone", 0)}:
            self.faults.append(f"not alone again: {sorted(acting)}")


def faults(told: list[int], seed: int) -> list[str]:
    """Return the faults of one order of events."""
    found: list[str] = []

    async def scene() -> None:
        fleet = Fleet(Random(seed))  # noqa: S311  # draws an order, no secret
        await fleet.play(told)
        found.extend(fleet.faults)

    play(scene())
    return found


@pytest.fixture(autouse=True, scope="module")
def _virtual_clock() -> Iterator[None]:
    """Leases run by the loop's clock."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            "controller.kube.leader_election",
            "controller.leadership.lease_registry",
            "controller.leadership.shard_manager",
        ):
            patch.setattr(f"{module}.time", SimpleNamespace(monotonic=monotonic))
        patch.setattr("controller.leadership.shard_manager.STARTED", 0.0)
        yield


@settings(max_examples=ORDERS)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32))
def test_epochs_never_overlap_and_come_to_rest(told: list[int], seed: int) -> None:
    """For any changes and overlapping requests: one epoch at a time, one owner per shard, in the end all shards, no Lease left."""
    assert faults(told, seed) == []


def _blind_to_earlier_shards(lease: JsonObject | None) -> ShardMap:
    return replace(lease_observer.layout_of(lease), most=lease_observer.layout_of(lease).shards)


@pytest.mark.parametrize(
    ("where", "mutant", "told"),
    [
        ("controller.leadership.shard_manager.all_released", lambda _: True, [1, 3, 2]),
        ("controller.leadership.lease_registry.layout_of", _blind_to_earlier_shards, [4, 2, 2]),
        ("controller.leadership.membership.shared", lambda lease: lease_observer.layout_of(lease).shards > 1, [3, 1, 1]),
        ("controller.leadership.shard_manager.can_return_to_single_leader", lambda _: False, [3, 1, 1]),
    ],
    ids=["acts-at-once", "forgets-the-most", "alone-too-early", "never-alone-again"],
)
def test_a_missing_rule_is_noticed(
    where: str, mutant: Callable[..., object], told: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search can fail: without a rule of the change it finds the fault that the rule prevents."""
    monkeypatch.setattr(where, mutant)
    assert any(faults(told, seed) for seed in range(ORDERS))
