"""Operators that share the Runs: their shards, and the Runs' progress when one is killed or suspended, or the shard count
changes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.api.names import API_VERSION
from controller.kube.client import Client
from controller.leadership.exclusive import OperatorRuns, run_exclusively
from tests.api.operators import PATIENCE_SECONDS, QUICK_LEASE, Fleet, fleet_of, held_by, told_by
from tests.api.shard_wave import EACH, Wave, await_phases, judged
from tests.api.test_operator import OURS
from tests.chaos.evidence import Evidence, watching
from tests.cluster import Cluster
from tests.support import apply, await_that, get, items, policy_of, run_of, simulated, simulated_forever

LIMIT, MANY = 2, 12
LOOKS = 4
"""Renewals of a Lease in which its holder has observed the others at least twice."""


@pytest.fixture
def fleet(api_cluster: Cluster, namespace: str) -> Iterator[Fleet]:
    with fleet_of(api_cluster, namespace) as operators:
        yield operators


@pytest.fixture(params=["status", "postgresql"])
def hasty_fleet(api_cluster: Cluster, namespace: str, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Operators with short Leases, with the state on the Run or in a shared database."""
    shared = request.param == "postgresql"
    store = request.getfixturevalue("postgres").database() if shared else request.param
    with fleet_of(api_cluster, namespace, (*QUICK_LEASE, "--store", store)) as operators:
        yield operators


@pytest.fixture(scope="module")
def evidence(api_cluster: Cluster) -> Iterator[Evidence]:
    """Every version of every Run and pod, from watches of the API server."""
    with watching(api_cluster) as seen:
        yield seen


def test_shares_are_fair_and_a_run_costs_what_it_did(api_cluster: Cluster, namespace: str, fleet: Fleet) -> None:
    """Two replicas hold three shards as two and one, three hold one each; a healthy Run costs three writes and an Event."""
    fleet.start(3)
    fleet.await_shares(3, (3,))
    fleet.start(3)
    fleet.await_shares(3, (2, 1))
    fleet.start(3)
    fleet.await_shares(3, (1, 1, 1))
    names = [f"run-{number}" for number in range(EACH)]
    for name in names:  # One after the other: a Run that waits on a busy machine exceeds its status delay: a fourth write.
        apply(api_cluster, namespace, run_of(name))
        await_phases(api_cluster, namespace, {name: "Completed"})
    event = ("create", "events")
    await_that(lambda: api_cluster.writes(namespace, *OURS)[event] == EACH, "the Events")
    once = {("create", "pods"): 1, ("update", "runs/status"): 1, ("patch", "pods"): 1, event: 1}
    assert api_cluster.writes(namespace, *OURS) == {what: times * EACH for what, times in once.items()}
    shared = "of 3 shards under epoch 1"  # Asked before the first one stops: the others wait for its shard from then on.
    await_that(lambda: all(shared in told_by(operator) for operator in fleet.all), "every operator to say its share")
    assert [operator.stop() for operator in fleet.all] == [0] * len(fleet.all)


def test_every_replica_halts_its_runs(api_cluster: Cluster, namespace: str, fleet: Fleet) -> None:
    """Each of two replicas sees the halt and its lift: the Runs of all shards end and start again, uncharged."""
    fleet.of(2, 4)
    names = [f"run-{number}" for number in range(MANY)]
    apply(api_cluster, namespace, *map(simulated_forever, names))
    await_phases(api_cluster, namespace, dict.fromkeys(names, "Running"))
    halt = {"apiVersion": API_VERSION, "kind": "Halt", "metadata": {"name": "halt"}, "spec": {"by": "admin", "reason": "a test"}}
    apply(api_cluster, namespace, halt)
    await_phases(api_cluster, namespace, dict.fromkeys(names, "Halted"))
    api_cluster.kubectl("-n", namespace, "delete", "halts.runwatchman.dev", "halt")
    await_phases(api_cluster, namespace, dict.fromkeys(names, "Running"))
    assert {get(api_cluster, namespace, "run", name)["status"]["restarts"] for name in names} == {0}


def test_one_replica_gives_a_providers_places_away(api_cluster: Cluster, namespace: str, fleet: Fleet) -> None:
    """Of twelve agents two are at work, although the Runs would be spread over two replicas. The other replica takes them over."""
    fleet.of(2, 4)
    provider = {"apiVersion": API_VERSION, "kind": "Provider", "metadata": {"name": "claude"}, "spec": {"maxActiveAgents": LIMIT}}
    apply(api_cluster, namespace, provider)
    names = [f"run-{number}" for number in range(MANY)]
    apply(api_cluster, namespace, *(run_of(name, simulated("run-forever") | {"provider": "claude"}) for name in names))
    at_work = {"Running": LIMIT, "Queued": MANY - LIMIT}
    await_that(lambda: Counter(_phases(api_cluster, namespace)) == at_work, "two agents at work")
    owner = next(operator for operator in fleet.all if any(line.get("provider") for line in operator.lines()))
    fleet.all.remove(owner)
    owner.stop()
    api_cluster.kubectl(
        "-n", namespace, "delete", "run", next(name for name, phase in _of(api_cluster, namespace) if phase == "Running")
    )
    fewer = {"Running": LIMIT, "Queued": MANY - LIMIT - 1}
    await_that(lambda: Counter(_phases(api_cluster, namespace)) == fewer, "the next agent at work")


def _of(cluster: Cluster, namespace: str) -> list[tuple[str, str]]:
    """Return each Run with its phase."""
    return [(run["metadata"]["name"], run.get("status", {}).get("phase", "")) for run in items(cluster, namespace, "runs")]


def _phases(cluster: Cluster, namespace: str) -> list[str]:
    return [phase for _, phase in _of(cluster, namespace)]


def test_dead_replica_is_replaced_and_late_one_harms_nobody(
    api_cluster: Cluster, namespace: str, hasty_fleet: Fleet, evidence: Evidence
) -> None:
    """One of three operators is killed and one suspended while Runs work: the third takes all, the suspended one resumes and
    ends, and P1 to P5 hold.
    """
    fleet = hasty_fleet
    fleet.of(3, 3)
    wave = Wave(api_cluster, namespace, "early")
    wave.apply()
    wave.await_at_work()
    killed, sleeper, survivor = fleet.all
    fleet.all = [survivor]
    killed.stop(signal.SIGKILL)
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        late = Wave(api_cluster, namespace, "late")
        late.apply()
        fleet.await_shares(3, (3,))
        late.await_at_work()
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    await_that(sleeper.ended, "the end of a replica whose shard is another's", PATIENCE_SECONDS)
    assert sleeper.stop() == 1
    assert "lost: " in sleeper.log.read_text()
    fleet.start(3)
    fleet.await_shares(3, (2, 1))
    wave.see_through()
    late.see_through()
    assert judged(evidence, namespace) == []


def test_the_number_changes_while_runs_are_at_work(api_cluster: Cluster, namespace: str, fleet: Fleet, evidence: Evidence) -> None:
    """While Runs work, one operator becomes two with three shards, then two with five, then one as at first, as a rollout does
    it.
    """
    first = fleet.start(1)
    await_that(first.ready, "a lone operator to lead", PATIENCE_SECONDS)
    wave = Wave(api_cluster, namespace, "one")
    wave.apply()
    second = fleet.start(3)
    fleet.await_shares(3, (2, 1))
    await_that(lambda: "its own --shards is 1, but" in told_by(first), "the first to say that it follows", PATIENCE_SECONDS)
    assert first.stop() == 0
    wave.await_at_work()
    more = Wave(api_cluster, namespace, "five")
    more.apply()
    third = fleet.start(5)
    fleet.await_shares(5, (3, 2))
    last = fleet.start(1)
    fleet.await_shares(1, (1, 0, 0))
    assert [second.stop(), third.stop()] == [0, 0]
    await_that(lambda: last.ready() and "lease ok\n" in told_by(last), "the last to be a lone operator again", PATIENCE_SECONDS)
    assert held_by(last) == [0]
    wave.see_through()
    more.see_through()
    assert judged(evidence, namespace) == []


def test_a_limit_holds_over_all_replicas(api_cluster: Cluster, namespace: str, fleet: Fleet, evidence: Evidence) -> None:
    """A policy's limit of two active Runs is counted over all replicas, from the first Run to the last."""
    fleet.of(2, 6)
    names = [f"turn-{number}" for number in range(MANY)]
    apply(api_cluster, namespace, policy_of({"maxActiveRuns": LIMIT}), *map(run_of, names))
    await_phases(api_cluster, namespace, dict.fromkeys(names, "Completed"))
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
    """An operator that needs the stores exclusively is refused while a replica holds any shard; while it has them, no replica
    begins to act.
    """
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

        await_that(renewed, "a replica that holds a shard's Lease", PATIENCE_SECONDS)
        assert held_by(second) == []
        assert "waiting for shards 0, 1, 2" in told_by(second)
        return "done"

    async def nothing() -> str:
        return await asyncio.to_thread(second_waits)

    with pytest.raises(OperatorRuns):
        await run_exclusively(client, "default", namespace, 1.0, nothing)
    assert operator.stop() == 0
    assert await run_exclusively(client, "default", namespace, 30.0, nothing) == "done"
    fleet.await_shares(3, (3,))


def test_sqlite_has_one_writer(api_cluster: Cluster, namespace: str, fleet: Fleet, tmp_path: Path) -> None:
    """A lone operator with a file as its store ends with the reason if the Runs are shared: several replicas would have to write
    the file.
    """
    alone_ = fleet.start(1, "--store", f"sqlite:///{tmp_path}/state.db")
    await_that(alone_.ready, "a lone operator", PATIENCE_SECONDS)
    fleet.start(2)
    await_that(alone_.ended, "the end of the one that may not share", PATIENCE_SECONDS)
    assert "--store is an SQLite file, which has one writer" in alone_.log.read_text()
    fleet.await_shares(2, (2,))
