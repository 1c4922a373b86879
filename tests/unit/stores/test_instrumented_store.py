"""The store as the operator uses it: it waits for a store that cannot be opened, reports problems, counts, and recovers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from controller.cli import main
from controller.kube.errors import Conflict
from controller.observability.metrics import Metrics
from controller.runtime import instrumented_store
from controller.runtime.instrumented_store import InstrumentedStore
from controller.store import Loaded, StoreUnavailable
from controller.store.factory import UnknownStore, check_store_name
from tests.stores import state_of
from tests.unit.stores.conftest import run_object, sql_store


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a metric's value, 0 if it was never counted."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_opening_is_tried_until_it_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its folder the store is a problem with a reason; when the folder exists, it opens without a restart."""
    monkeypatch.setattr(instrumented_store, "RETRY_SECONDS", 0.0)
    metrics = Metrics()
    store = InstrumentedStore(sql_store(f"sqlite:///{tmp_path}/volume/states.db"), metrics)
    opening = asyncio.create_task(store.open_until_usable())
    async with asyncio.timeout(20):
        while not value(metrics, "runwatchman_store_errors_total"):  # noqa: ASYNC110  # a counter has no event
            await asyncio.sleep(0)
        assert "create its folder" in (store.problem or "")
        (tmp_path / "volume").mkdir()
        await opening
    assert store.problem is None
    await store.close()


async def test_trouble_is_told_and_recovery_has_every_run_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails later is a problem until it can be written to again; then all Runs are queued again."""
    monkeypatch.setattr(instrumented_store, "RETRY_SECONDS", 0.0)
    folder, away = tmp_path / "volume", tmp_path / "away"
    folder.mkdir()
    store = InstrumentedStore(sql_store(f"sqlite:///{folder}/states.db"), Metrics())
    await store.open_until_usable()
    recovered = asyncio.Event()
    keeping = asyncio.create_task(store.recover(recovered.set))
    folder.rename(away)
    with pytest.raises(StoreUnavailable):
        await store.load(run_object(), live=True)
    assert "removed or replaced" in (store.problem or "")
    away.rename(folder)
    async with asyncio.timeout(20):
        await recovered.wait()
    assert store.problem is None
    keeping.cancel()
    await asyncio.wait([keeping])
    await store.close()


async def test_what_is_counted(tmp_path: Path) -> None:
    """The time, conflicts and errors of each operation are counted; a conflict does not make the store a problem."""
    metrics = Metrics()
    store = InstrumentedStore(sql_store(f"sqlite:///{tmp_path}/states.db"), metrics)
    await store.open()
    run = run_object()
    await store.commit(run, Loaded(), state_of(run), {})
    with pytest.raises(Conflict):
        await store.commit(run, Loaded(), state_of(run), {})
    assert value(metrics, "runwatchman_store_conflicts_total") == 1
    assert value(metrics, "runwatchman_store_duration_seconds_count", operation="commit") == 2
    assert store.problem is None
    await store.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("statu", "unknown store: choose status, annotations, sqlite"),
        ("mysql://x/y", "cannot be a 'mysql' database: choose status"),
        ("sqlite://", "would forget every Run"),
        ("sqlite:///:memory:", "would forget every Run"),
    ],
)
def test_stores_that_there_are_not(name: str, says: str) -> None:
    """The option rejects an unknown name and lists the valid ones."""
    with pytest.raises(UnknownStore, match=says):
        check_store_name(name)
    done = CliRunner().invoke(main, ["operator", "--store", name])
    assert done.exit_code == 2
    assert says.split(":", maxsplit=1)[0] in " ".join(done.output.replace("│", " ").split())


def test_the_store_comes_from_the_environment_too() -> None:
    """The store can be set by environment variable, like every option, so that a URL with a password is not in the arguments."""
    done = CliRunner().invoke(main, ["operator"], env={"RUNWATCHMAN_OPERATOR_STORE": "nothing"})
    assert "unknown store" in done.output


def test_the_ledger_has_a_database_of_its_own() -> None:
    """The ledger must not share the states' database, because history could fill their disk."""
    done = CliRunner().invoke(main, ["operator", "--store", "sqlite:////data/a.db", "--ledger", "sqlite:////data/a.db"])
    assert (done.exit_code, "are the same database" in done.output) == (2, True)


async def test_show(tmp_path: Path) -> None:
    """The command shows the content of a database, and does not create a missing one."""
    url = f"sqlite:///{tmp_path}/states.db"
    missing = await asyncio.to_thread(CliRunner().invoke, main, ["store", "show", "--store", url])
    assert (missing.exit_code, (tmp_path / "states.db").exists()) == (1, False)
    assert "there is no such file" in missing.output
    store = sql_store(url)
    await store.open()
    run = run_object()
    await store.commit(run, Loaded(), state_of(run), {})
    await store.mark_migrated("sql-new")
    done = await asyncio.to_thread(CliRunner().invoke, main, ["store", "show", "--store", url])
    assert done.output == f"id: {store.id}\nschema: revision 2\nstates: 1\nmigrated to: sql-new\n"
    await store.close()


def test_database_is_loaded_only_where_needed() -> None:
    """SQLAlchemy costs time and memory at start, so an operator with the default store does not import it."""
    code = "import sys, controller.runtime.operator, controller.store.factory; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
