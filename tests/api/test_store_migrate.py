"""Moving Runs between stores: after a kill before or after any step and another call, no Run is lost or moved twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.names import ANNOTATION_STATE
from controller.api.operator_state import OperatorState
from controller.kube.client import Client
from controller.kube.leader_election import LeaseLost
from controller.kube.resources import LEASES, RUNS
from controller.leadership import exclusive
from controller.store import StoreUnavailable
from controller.store.migrate import Migration, MigrationRefused, Summary
from controller.store.sql.database import Database
from tests.stores import Bench, save, state_of
from tests.support import run_of

PAIRS = [
    ("status", "sqlite"),
    ("sqlite", "status"),
    ("annotations", "sqlite"),
    ("sqlite", "postgresql"),
    ("postgresql", "annotations"),
    ("status", "annotations"),
]
SAVED = {"one": 0, "two": 1, "three": 2}


class Killed(Exception):
    """Stands for the end of the process."""


class Killer:
    """Ends the process before and after each write that it meets for the first time."""

    def __init__(self) -> None:
        self._seen: set[object] = set()
        self._counts: Counter[object] = Counter()

    def begin(self) -> None:
        """Count the steps of another process."""
        self._counts.clear()

    async def step(self, what: object, do: Callable[[], Awaitable[Any]]) -> Any:
        """Do a step, or end the process before or after it at its time."""
        self._counts[what] += 1
        self._once((what, self._counts[what], "before"))
        done = await do()
        self._once((what, self._counts[what], "after"))
        return done

    def _once(self, moment: object) -> None:
        if moment not in self._seen:
            self._seen.add(moment)
            raise Killed(moment)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Make every write to the API server and every transaction a step."""
        for name in ("replace", "merge_patch"):
            patch.setattr(Client, name, self._wrapped(getattr(Client, name), lambda args: args[3]))
        for name in ("run", "reopen"):
            patch.setattr(Database, name, self._wrapped(getattr(Database, name), lambda args: args[0].name))

    def _wrapped(self, call: Any, which: Callable[[Any], object]) -> Any:
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            return await self.step((call.__name__, which(args)), lambda: call(*args, **kwargs))

        return wrapped


@pytest.fixture
def bench_of(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> Callable[[str], Bench]:
    """Make a store by its kind."""

    def make(kind: str) -> Bench:
        name = f"sqlite:///{tmp_path}/{kind}.db" if kind.startswith("sqlite") else kind
        return Bench(kind, request.getfixturevalue("postgres").database() if kind == "postgresql" else name, client)

    return make


async def runs_in(source: Bench, namespace: str) -> dict[str, OperatorState]:
    """Create Runs with states in a store, and one without a saved state; return the states."""
    await source.store.open()
    states = {}
    for name, attempt in SAVED.items():
        run = await source.client.create(RUNS, namespace, run_of(name))
        await save(source.store, run, attempt)
        states[name] = state_of(run, attempt)
    await source.client.create(RUNS, namespace, run_of("untouched"))
    return states


async def migrate(source: Bench, target: Bench, namespace: str) -> tuple[Summary, list[str]]:
    """Migrate as the command does, with stores of its own; return the summary and the lines."""
    lines: list[str] = []
    stores = source.again(), target.again()
    try:
        return await Migration(source.client, *stores, lines.append).run([namespace]), lines
    finally:
        for store in stores:
            await store.close()


async def check_each(source: Bench, target: Bench, namespace: str, states: dict[str, OperatorState]) -> set[str]:
    """Check that each Run has its state in the store that it names; return the stores."""
    named = set()
    stores = {}
    for bench in (source, target):
        store = bench.again()
        await store.open()
        stores[store.id] = store
    for name, state in states.items():
        run = await source.client.get(RUNS, namespace, name)
        found = run["status"]["storeID"]
        named.add(found)
        loaded = await stores[found].load(run, live=True)
        assert (loaded.state, loaded.refusal) == (state, ""), name
    for store in stores.values():
        await store.close()
    return named


@pytest.mark.parametrize(("kind_from", "kind_to"), PAIRS)
async def test_killed_at_every_step(
    bench_of: Callable[[str], Bench], namespace: str, monkeypatch: pytest.MonkeyPatch, kind_from: str, kind_to: str
) -> None:
    """After an end at any time, each Run is whole in the store that it names; another call continues, until all are moved."""
    source, target = bench_of(kind_from), bench_of(kind_to)
    states = await runs_in(source, namespace)
    killer, kills = Killer(), 0
    while True:
        killer.begin()
        try:
            with monkeypatch.context() as patch:
                killer.install(patch)
                summary, _ = await migrate(source, target, namespace)
        except Killed:
            kills += 1
            await check_each(source, target, namespace, states)
        else:
            break
    assert kills >= 2 * len(SAVED)
    assert (summary.failed, summary.marked) == (0, True)
    await target.store.open()
    assert await check_each(source, target, namespace, states) == {target.store.id}
    untouched = await source.client.get(RUNS, namespace, "untouched")
    assert "storeID" not in untouched.get("status", {})
    await source.store.close()
    await target.store.close()


async def test_the_old_store_refuses_and_the_way_back(bench_of: Callable[[str], Bench], namespace: str) -> None:
    """Each Run is a line; the old database refuses to open as the operator's store until the Runs have come back."""
    source, target = bench_of("sqlite"), bench_of("annotations")
    states = await runs_in(source, namespace)
    summary, lines = await migrate(source, target, namespace)
    assert (summary.moved, summary.skipped, summary.marked) == (3, 1, True)
    assert f"[3/4] {namespace}/two: moved: coder at attempt 1" in lines
    from controller.store.factory import make_store

    as_operator = make_store(source.name, source.client)
    with pytest.raises(StoreUnavailable, match="its Runs were moved to annotations"):
        await as_operator.open()
    summary, _ = await migrate(target, source, namespace)
    assert (summary.moved, summary.marked) == (3, True)
    await as_operator.open()
    assert await check_each(source, target, namespace, states) == {as_operator.id}
    run = await source.client.get(RUNS, namespace, "one")
    assert ANNOTATION_STATE not in run["metadata"].get("annotations", {})
    await as_operator.close()
    await source.store.close()


async def test_a_refused_run_stays_and_keeps_the_old_store_open(bench_of: Callable[[str], Bench], namespace: str) -> None:
    """An untrusted state is not moved; the others are moved, and the old store is not marked."""
    source, target = bench_of("sqlite"), bench_of("sqlite2")
    await runs_in(source, namespace)
    await source.damage(await source.client.get(RUNS, namespace, "two"), None)
    summary, lines = await migrate(source, target, namespace)
    assert (summary.moved, summary.failed, summary.marked) == (2, 1, False)
    assert any("two: failed: the Run has started, but" in line for line in lines)
    await source.store.open()
    await source.store.close()


async def test_somebody_elses_run_and_a_move_to_oneself(bench_of: Callable[[str], Bench], namespace: str) -> None:
    """A Run of a third store is left alone and reported; a store is not moved into itself."""
    source, target = bench_of("status"), bench_of("annotations")
    run: JsonObject = await source.client.create(RUNS, namespace, run_of("foreign"))
    status = {"storeID": "sql-third", "phase": "Running"}
    await source.client.replace(RUNS, namespace, "foreign", run | {"status": status}, subresource="status")
    summary, lines = await migrate(source, target, namespace)
    assert summary.failed == 1
    assert "its state is in 'sql-third'" in lines[0]
    with pytest.raises(MigrationRefused, match="both stores are 'status'"):
        await migrate(source, source, namespace)


async def test_the_work_ends_with_the_lease(client: Client, namespace: str) -> None:
    """Losing the Lease ends a migration: otherwise two would act on the same Runs."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(60):
        running = asyncio.create_task(exclusive.run_exclusively(client, namespace, "ours", 10, work))
        await begun.wait()
        taken = {"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600}}
        await client.merge_patch(LEASES, namespace, "ours", taken)
        with pytest.raises(LeaseLost):
            await running
    assert ended.is_set()
    assert await exclusive.lease_namespace(client, "ours", "default") == namespace
    assert await exclusive.lease_namespace(client, "nobodys", "default") == "default"
