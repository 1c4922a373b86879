"""A Run, a client that only takes status writes, and databases of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.store import StoreUnavailable
from controller.store.factory import make_store
from controller.store.sql.sql_store import SqlStore
from tests.stores import NOW


class Writes:
    """A stub API server for tests of the database: it accepts each status write."""

    def __init__(self) -> None:
        self.written: list[JsonObject] = []

    def server_now(self) -> datetime:
        return NOW

    async def replace(self, _resource: object, _namespace: str, _name: str, body: JsonObject, **_: Any) -> JsonObject:
        self.written.append(body)
        return body


def run_object(uid: str = "u1", **status: Any) -> JsonObject:
    """Return a Run as the API server returns it."""
    meta = {"namespace": "ns", "name": f"run-{uid}", "uid": uid, "resourceVersion": "1"}
    return {"metadata": meta, "spec": {}, "status": status}


def sql_store(url: str, *, even_if_migrated: bool = False) -> SqlStore:
    """Return a store in a database, not yet open."""
    return cast(SqlStore, make_store(url, cast(Client, Writes()), even_if_migrated=even_if_migrated))


async def refused_at_open(url: str) -> StoreUnavailable:
    """Return the error of opening a store."""
    store = sql_store(url)
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    await store.close()
    return caught.value


def logged(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was logged: to stdout, or to stderr after a test of this process that ran a command."""
    return "".join(capsys.readouterr())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/states.db"
    made: str = request.getfixturevalue("postgres").database()
    return made


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """An open store in a file."""
    made = sql_store(f"sqlite:///{tmp_path}/states.db?timeout=0.05")
    await made.open()
    yield made
    await made.close()
