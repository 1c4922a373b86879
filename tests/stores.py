"""Common helpers of the tests of stores: states, statuses, and ways to damage the stored data from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from controller.api.base import JsonObject, dump
from controller.api.names import ANNOTATION_STATE
from controller.api.operator_state import AgentState, OperatorState
from controller.kube.client import Client
from controller.kube.resources import RUNS
from controller.store import Loaded, Store
from controller.store.factory import make_store
from controller.store.sql.database import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STARTED = "2026-01-02T03:04:05Z"

Change = Callable[[JsonObject], JsonObject | str]


def state_of(run: JsonObject, attempt: int = 0, **fields: Any) -> OperatorState:
    """Return the state of a Run whose one agent is at an attempt."""
    agent = AgentState(**{"attempt": attempt, "pod_uid": f"pod-{attempt}", "restarts": attempt, **fields})
    return OperatorState(run_uid=run["metadata"]["uid"], started_at=NOW, agents={"coder": agent}, updated_at=NOW)


def status_of(state: OperatorState) -> JsonObject:
    """Return a status as the operator writes it together with a state."""
    agents = [{"name": name, "attempt": a.attempt, "health": "Healthy", "restarts": a.restarts} for name, a in state.agents.items()]
    return {"phase": "Running", "startTime": STARTED, "restarts": 0, "agents": agents}


async def save(store: Store, run: JsonObject, attempt: int = 0) -> JsonObject:
    """Save a state over the existing one and return the Run."""
    state = state_of(run, attempt)
    written, _ = await store.commit(run, await store.load(run, live=True), state, status_of(state))
    return written


class Bench:
    """One kind of store, with access to its data."""

    def __init__(self, kind: str, name: str, client: Client) -> None:
        self.kind, self.name, self.client = kind, name, client
        self.store = self.again()

    def again(self) -> Store:
        """Return another store object on the same data, as after a restart of the operator."""
        return make_store(self.name, self.client, even_if_migrated=True)

    @property
    def sql(self) -> bool:
        """Whether it is a database."""
        return "://" in self.name

    async def fresh(self, run: JsonObject) -> JsonObject:
        """Return the current Run."""
        return await self.client.get(RUNS, run["metadata"]["namespace"], run["metadata"]["name"])

    async def load_anew(self, run: JsonObject) -> Loaded:
        """Return the state that a restarted operator finds."""
        store = self.again()
        await store.open()
        try:
            return await store.load(await self.fresh(run), live=True)
        finally:
            await store.close()

    async def damage(self, run: JsonObject, change: Change | None) -> None:
        """Change the stored data of a Run, its JSON object or text, without the store; None removes it."""
        run = await self.fresh(run)
        if self.kind == "status":
            await self._damage_status(run, change)
        elif self.kind == "annotations":
            await self._damage_annotation(run, change)
        else:
            await self._damage_row(run["metadata"]["uid"], change)

    async def _damage_status(self, run: JsonObject, change: Change | None) -> None:
        raw = run["status"].pop("operatorState")
        if change:
            run["status"]["operatorState"] = change(raw)
        meta = run["metadata"]
        await self.client.replace(RUNS, meta["namespace"], meta["name"], run, subresource="status")

    async def _damage_annotation(self, run: JsonObject, change: Change | None) -> None:
        text = None
        if change:
            envelope = json.loads(run["metadata"]["annotations"][ANNOTATION_STATE])
            changed = change(envelope["state"])
            text = changed if isinstance(changed, str) else json.dumps(envelope | {"state": changed})
        meta = run["metadata"]
        await self.client.merge_patch(
            RUNS, meta["namespace"], meta["name"], {"metadata": {"annotations": {ANNOTATION_STATE: text}}}
        )

    async def _damage_row(self, uid: str, change: Change | None) -> None:
        def work(connection: sa.Connection) -> None:
            where = {"uid": uid}
            if change is None:
                connection.execute(sa.text("DELETE FROM operator_run_states WHERE run_id = :uid"), where)
                return
            raw = connection.execute(sa.text("SELECT state FROM operator_run_states WHERE run_id = :uid"), where).scalar_one()
            changed = change(json.loads(raw))
            text = changed if isinstance(changed, str) else json.dumps(changed)
            connection.execute(sa.text("UPDATE operator_run_states SET state = :t WHERE run_id = :uid"), {"t": text, **where})

        database = Database(self.name)
        await database.run(work)
        await database.close()


def as_json(state: OperatorState | None) -> JsonObject | None:
    """Return a state as tests compare it."""
    return dump(state) if state else None
