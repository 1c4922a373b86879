"""Operators that share the Runs: who holds what, and what becomes of Runs when one is killed, held up, or the number changes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cluster.client import Client
from controller.store.alone import OperatorRuns, alone
from tests.api.fleet import Fleet, fleet_of, held_by, told_by
from tests.api.test_operator import OURS
from tests.chaos.evidence import Evidence, watching
from tests.chaos.invariants import Law, violations
from tests.cluster import Cluster
from tests.support import apply, await_phase, await_that, get, policy_of, run_of, simulated_forever

BUDGET, COOLDOWN = 2, 1
KINDS = ("done", "crash", "stay")
LIMIT, MANY = 2, 24
LOOKS = 4
"""Renewals of a Lease after which its holder has looked around at least twice."""
EACH = 8
"""Runs of each kind in a wave: three shards without one of a kind are as good as never."""


@pytest.fixture
def fleet(api_cluster: Cluster, namespace: str) -> Iterator[Fleet]:
    with fleet_of(api_cluster, namespace) as operators:
        yield operators


@pytest.fixture(scope="module")
def evidence(api_cluster: Cluster) -> Iterator[Evidence]:
    """Every version of every Run and pod, as the API server told it."""
    with watching(api_cluster) as seen:
        yield seen


class Wave:
    """Runs that complete, that crash until their budget is spent, and that work until they are stopped."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self.names = {kind: [f"{name}-{kind}-{number}" for number in range(EACH)] for kind in KINDS}

    def apply(self) -> None:
        """Begin all of them."""
        policy = policy_of({"restartBudget": BUDGET, "restartCooldownSeconds": COOLDOWN})
        crash = {
            "metadata": {"annotations": {"test.runwarden.dev/outcome": "fail"}},
            "spec": {"containers": [{"name": "agent", "image": "x"}]},
        }
        made = {"done": run_of, "crash": lambda name: run_of(name, {"template": crash}), "stay": simulated_forever}
        apply(self._cluster, self._namespace, policy, *(made[kind](name) for kind in KINDS for name in self.names[kind]))

    def await_at_work(self) -> None:
        """Wait until those that stay are at work."""
        for name in self.names["stay"]:
            await_phase(self._cluster, self._namespace, name, "Running")

    def see_through(self) -> None:
        """Stop those that stay, and wait until all have come to their end."""
        for name in self.names["stay"]:
            patch = '{"spec":{"desiredState":"Stopped"}}'
            self._cluster.kubectl("-n", self._namespace, "patch", "run", name, "--type=merge", "-p", patch)
        for kind, phase in zip(KINDS, ("Completed", "Blocked", "Stopped"), strict=True):
            for name in self.names[kind]:
                await_phase(self._cluster, self._namespace, name, phase)


def judge(evidence: Evidence, namespace: str) -> None:
    """Hold everything that happened in a namespace against P1 to P5."""
    history = evidence.history(namespace)
    laws = {change.name: Law(BUDGET, COOLDOWN) for change in history if change.kind == "runs"}
    assert laws
    assert evidence.complete
    assert violations(history, laws) == []


def test_shares_are_fair_and_a_run_costs_what_it_did(api_cluster: Cluster, namespace: str, fleet: Fleet) -> None:
    """Two replicas hold three shards as two and one, three hold one each; a healthy Run costs four writes and an Event, no more."""
    fleet.start(3)
    fleet.await_shares(3, (3,))
    fleet.start(3)
    fleet.await_shares(3, (2, 1))
    fleet.start(3)
    fleet.await_shares(3, (1, 1, 1))
    apply(api_cluster, namespace, *(run_of(f"run-{number}") for number in range(EACH)))
    for number in range(EACH):
        await_phase(api_cluster, namespace, f"run-{number}", "Completed")
    event = ("create", "events")
    await_that(lambda: api_cluster.writes(namespace, *OURS)[event] == EACH, "the Events")
    once = {("create", "pods"): 1, ("update", "runs/status"): 2, ("patch", "pods"): 1, event: 1}
    assert api_cluster.writes(namespace, *OURS) == {what: times * EACH for what, times in once.items()}
    for operator in fleet.all:
        assert "of 3 shards under epoch 1" in told_by(operator)
        assert operator.stop() == 0


def test_a_killed_replica_is_followed(api_cluster: Cluster, namespace: str, fleet: Fleet, evidence: Evidence) -> None:
    """SIGKILL of one of three amid work: the others take its shard, and every Run comes to its end as P1 to P5 have it."""
    for _ in range(3):
        fleet.start(3)
    fleet.await_shares(3, (1, 1, 1))
    wave = Wave(api_cluster, namespace, "kill")
    wave.apply()
    wave.await_at_work()
    fleet.all[0].stop(signal.SIGKILL)
    late = Wave(api_cluster, namespace, "late")
    late.apply()
    fleet.await_shares(3, (2, 1))
    wave.see_through()
    late.see_through()
    judge(evidence, namespace)


def test_a_replica_that_wakes_up_late_harms_nobody(api_cluster: Cluster, namespace: str, fleet: Fleet, evidence: Evidence) -> None:
    """One of three is stopped for longer than its Leases last and goes on amid others' work: it ends, and P1 to P5 hold."""
    for _ in range(3):
        fleet.start(3)
    fleet.await_shares(3, (1, 1, 1))
    wave = Wave(api_cluster, namespace, "stop")
    wave.apply()
    sleeper = fleet.all.pop()
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        fleet.await_shares(3, (2, 1))
        wave.await_at_work()
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    await_that(sleeper.ended, "the end of a replica whose shard is another's")
    assert sleeper.stop() == 1
    assert "lost: " in sleeper.log.read_text()
    fleet.start(3)
    fleet.await_shares(3, (1, 1, 1))
    wave.see_through()
    judge(evidence, namespace)


def test_the_number_changes_while_runs_are_at_work(api_cluster: Cluster, namespace: str, fleet: Fleet, evidence: Evidence) -> None:
    """One operator becomes three of three shards, then two of five, then one as at first, as a rollout does it, amid work."""
    first = fleet.start(1)
    await_that(first.ready, "a lone operator to lead")
    wave = Wave(api_cluster, namespace, "one")
    wave.apply()
    for _ in range(2):
        fleet.start(3)
    fleet.await_shares(3, (1, 1, 1))
    await_that(lambda: "it was told --shards 1, but" in told_by(first), "the first to say that it follows")
    assert first.stop() == 0
    fleet.await_shares(3, (2, 1))
    wave.await_at_work()
    more = Wave(api_cluster, namespace, "five")
    more.apply()
    old = fleet.all[1:]
    fleet.start(5)
    fleet.await_shares(5, (2, 2, 1))
    assert old[0].stop() == 0
    fleet.await_shares(5, (3, 2))
    last = fleet.start(1)
    fleet.await_shares(1, (1, 0, 0))
    for operator in fleet.all[:-1]:
        if not operator.ended():
            assert operator.stop() == 0
    await_that(lambda: last.ready() and "lease ok\n" in told_by(last), "the last to be a lone operator again")
    assert held_by(last) == [0]
    wave.see_through()
    more.see_through()
    judge(evidence, namespace)


def test_a_limit_holds_over_all_replicas(api_cluster: Cluster, namespace: str, fleet: Fleet, evidence: Evidence) -> None:
    """A policy that lets two Runs be active at once is counted once, not by every replica, from the first Run to the last."""
    for _ in range(3):
        fleet.start(6)
    fleet.await_shares(6, (2, 2, 2))
    names = [f"turn-{number}" for number in range(MANY)]
    apply(api_cluster, namespace, policy_of({"maxActiveRuns": LIMIT}), *map(run_of, names))
    for name in names:
        await_phase(api_cluster, namespace, name, "Completed")
    active: set[str] = set()
    most = 0
    for change in evidence.history(namespace):
        if change.kind == "runs":
            told = change.object.get("status", {})
            (active.add if "startTime" in told and told["phase"] != "Completed" else active.discard)(change.name)
            most = max(most, len(active))
    assert most == LIMIT


async def test_nobody_works_on_a_store_while_a_shard_is_held(
    api_cluster: Cluster, namespace: str, fleet: Fleet, client: Client
) -> None:
    """Who wants the stores alone is refused while a replica holds any shard; while it has them no replica begins to act."""
    operator = fleet.start(3)
    fleet.await_shares(3, (3,))

    def second_waits() -> str:
        second = fleet.start(3)
        lease = f"{namespace}-shard-1"
        seen: set[str] = set()

        def renewed() -> bool:
            found = get(api_cluster, "default", "lease", lease)
            if found and found["spec"].get("holderIdentity"):
                seen.add(found["metadata"]["resourceVersion"])
            return len(seen) > LOOKS

        await_that(renewed, "a replica that holds a shard's Lease")
        assert held_by(second) == []
        assert "waiting for shards 0, 1, 2" in told_by(second)
        return "done"

    async def nothing() -> str:
        return await asyncio.to_thread(second_waits)

    with pytest.raises(OperatorRuns):
        await alone(client, "default", namespace, 1.0, nothing)
    assert operator.stop() == 0
    assert await alone(client, "default", namespace, 30.0, nothing) == "done"
    fleet.await_shares(3, (3,))


def test_sqlite_has_one_writer(api_cluster: Cluster, namespace: str, fleet: Fleet, tmp_path: Path) -> None:
    """A store or a ledger in a file is refused where several may write, at start and when the number of shards changes."""
    for option in ("--store", "--ledger"):
        refused = fleet.start(2, option, f"sqlite:///{tmp_path}/file.db")
        await_that(refused.ended, "the refusal")
        assert f"{option} is an SQLite file, which has one writer" in refused.log.read_text()
    alone_ = fleet.start(1, "--store", f"sqlite:///{tmp_path}/state.db")
    await_that(alone_.ready, "a lone operator")
    fleet.start(2)
    await_that(alone_.ended, "the end of the one that may not share")
    assert "--store is an SQLite file, which has one writer" in alone_.log.read_text()
    fleet.await_shares(2, (2,))
