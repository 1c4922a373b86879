"""A fault of a database is reported with its place, cause and remedy; no effect happens, no state is lost, and it recovers."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from controller.kube.errors import Conflict
from controller.store import Loaded, StoreUnavailable
from controller.store.sql.sql_store import SqlStore
from tests.skipping import cannot_run
from tests.stores import state_of
from tests.unit.stores.conftest import refused_at_open, run_object, sql_store

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    """Let another process hold the write lock."""
    process = subprocess.Popen([sys.executable, "-c", LOCKER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a small volume at a folder; this needs root, as in a container."""
    if os.getuid() != 0:
        cannot_run("only root can mount a volume")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Remount a volume read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write to a file until its volume is full."""
    number = os.open(path, os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(number, b"x" * 4096)
    os.close(number)


async def save_many(store: SqlStore) -> None:
    """Save more than fits into the space that a database has reserved."""
    for run in (run_object(f"big{number}") for number in range(30)):
        await store.commit(run, Loaded(), state_of(run), {})


async def test_a_missing_folder(tmp_path: Path) -> None:
    """If the volume is not mounted, the error says so and no file is created; the same store opens once the volume is there."""
    store = sql_store(f"sqlite:///{tmp_path}/volume/states.db")
    with pytest.raises(StoreUnavailable, match=r"volume/states\.db: unable to open database file: create its folder, mount"):
        await store.open()
    assert not (tmp_path / "volume").exists()
    (tmp_path / "volume").mkdir()
    await store.open()
    assert store.id.startswith("sql-")
    await store.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"this is a text, and it is long enough " * 100, "is not a database"), (b"", None)],
)
async def test_a_file_that_is_something_else(tmp_path: Path, content: bytes, says: str | None) -> None:
    """A file of another kind is refused and not changed; an empty one is a new database."""
    path = tmp_path / "states.db"
    path.write_bytes(content)
    if says is None:
        store = sql_store(f"sqlite:///{path}")
        await store.open()
        await store.close()
        return
    assert says in str(await refused_at_open(f"sqlite:///{path}"))
    assert path.read_bytes() == content


async def test_a_corrupt_file(tmp_path: Path) -> None:
    """Overwritten pages are refused at open, or at the read that finds them; they never give an empty state."""
    url = f"sqlite:///{tmp_path}/states.db"
    store = sql_store(url)
    await store.open()
    for number in range(100):
        run = run_object(f"u{number}")
        await store.commit(run, Loaded(), state_of(run), {})
    await store.close()
    path = tmp_path / "states.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    error = await refused_at_open(url)
    assert "restore the file from a backup" in error.remedy or "restore it from a backup" in error.remedy


async def test_a_read_only_volume(tmp_path: Path) -> None:
    """A read-only volume is detected at open, before any effect."""
    with mounted(tmp_path / "v", "size=1m"):
        url = f"sqlite:///{tmp_path}/v/states.db"
        store = sql_store(url)
        await store.open()
        await store.close()
        make_read_only(tmp_path / "v")
        error = await refused_at_open(url)
    assert "writ" in error.remedy


async def test_a_full_disk(tmp_path: Path) -> None:
    """A save without space fails, the previous one stays, and the next one succeeds when there is space."""
    with mounted(tmp_path / "v", "size=512k"):
        store = sql_store(f"sqlite:///{tmp_path}/v/states.db")
        await store.open()
        run = run_object()
        _, first = await store.commit(run, Loaded(), state_of(run, 1), {})
        filler = tmp_path / "v" / "filler"
        fill(filler)
        with pytest.raises(StoreUnavailable, match="make room on its volume"):
            await save_many(store)
        filler.unlink()
        await store.open()
        assert (await store.load(run, live=True)).state == state_of(run, 1)
        _, second = await store.commit(run, first, state_of(run, 2), {})
        assert second.version == first.version + 1
        await store.close()


async def test_locked_by_another_process(store: SqlStore, tmp_path: Path) -> None:
    """A long lock by another process is reported; afterwards the store continues as before."""
    run = run_object()
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    with locked_by_another_process(tmp_path / "states.db"):
        with pytest.raises(StoreUnavailable, match="database is locked: another process has it open for writing"):
            await store.commit(run, loaded, state_of(run, 1), {})
        with pytest.raises(StoreUnavailable):
            await store.open()
    await store.open()
    assert (await store.load(run, live=True)).state == state_of(run)


@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_the_file_goes_while_it_is_open(store: SqlStore, tmp_path: Path, how: str) -> None:
    """SQLite would continue to write to a deleted file: the store refuses, and does not create a new one."""
    run = run_object()
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    path = tmp_path / "states.db"
    shutil.copy(path, tmp_path / "copy")
    path.unlink()
    if how == "replaced":
        shutil.move(tmp_path / "copy", path)
    with pytest.raises(StoreUnavailable, match="removed or replaced"):
        await store.commit(run, loaded, state_of(run, 1), {})
    assert path.exists() == (how == "replaced")


async def test_a_table_that_somebody_dropped(store: SqlStore, tmp_path: Path) -> None:
    """Any error of the database is an error of the store, not of the Run."""
    connection = sqlite3.connect(tmp_path / "states.db")
    connection.execute("DROP TABLE operator_run_states")
    connection.close()
    with pytest.raises(StoreUnavailable, match="no such table: operator_run_states"):
        await store.load(run_object(), live=True)


async def test_a_row_that_changed_is_a_conflict_and_memory_is_not_believed(store: SqlStore, tmp_path: Path) -> None:
    """A save after another process has saved is a Conflict, and the next read comes from the database."""
    run = run_object()
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    connection = sqlite3.connect(tmp_path / "states.db")
    connection.execute("UPDATE operator_run_states SET version = 9")
    connection.commit()
    connection.close()
    with pytest.raises(Conflict):
        await store.commit(run, loaded, state_of(run, 1), {})
    assert (await store.load(run, live=False)).version == 9


async def test_a_server_that_is_not_there_and_its_password() -> None:
    """The error shows the URL without its password, in any position."""
    for url in ("postgresql://op:hunter2@127.0.0.1:1/x", "postgresql://op@127.0.0.1:1/x?password=hunter2"):
        error = await refused_at_open(url)
        assert "127.0.0.1:1/x" in str(error)
        assert "see that the server runs" in error.remedy
        assert "hunter2" not in str(error)


async def test_a_database_that_is_not_there(postgres: object) -> None:
    """The error has the server's own message, and the remedy."""
    url = postgres.database().replace("/t_", "/no_")  # type: ignore[attr-defined]  # the fixture's own type is in conftest
    error = await refused_at_open(url)
    assert "does not exist" in error.cause
    assert error.remedy == "create the database, or correct its name in the URL"


async def test_a_server_that_ends_our_connections(postgres: object) -> None:
    """After a restart or a failover the store continues over new connections."""
    url = postgres.database()  # type: ignore[attr-defined]  # the fixture's own type is in conftest
    store = sql_store(url)
    await store.open()
    run = run_object()
    _, loaded = await store.commit(run, Loaded(), state_of(run), {})
    with postgres.connect("postgres") as connection:  # type: ignore[attr-defined]  # as above
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 't_%'")
    _, after = await store.commit(run, loaded, state_of(run, 1), {})
    assert after.version == 2
    await store.close()


async def test_a_store_whose_runs_were_moved(url: str) -> None:
    """An operator that is started with the old store gets the place of the moved Runs; moving them back removes the mark."""
    store = sql_store(url, even_if_migrated=True)
    await store.open()
    await store.mark_migrated("sql-new")
    error = await refused_at_open(url)
    assert "its Runs were moved to sql-new" in str(error)
    await store.mark_migrated("")
    again = sql_store(url)
    await again.open()
    await again.close()
    await store.close()
