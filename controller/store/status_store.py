"""The default store: the state is in `status.operatorState`, so that one write carries state and status.

Users cannot edit it (status is a subresource), and the Run's resourceVersion is the compare-and-swap.
"""

from __future__ import annotations

from dataclasses import replace

from controller.api.base import JsonObject, dump
from controller.api.operator_state import OperatorState
from controller.kube.client import Client
from controller.kube.resources import RUNS
from controller.store import Loaded
from controller.store.in_run_store import InRunStore
from controller.store.state_record import full_status, judge, mismatch, moved_status

STORE_ID = "status"
"""The value of status.storeID; it keeps a Run of another store from being taken for a new Run."""


class StatusStore(InRunStore):
    """Stores the state in the Run's own status."""

    id = STORE_ID

    async def load(self, run: JsonObject, *, live: bool) -> Loaded:
        """Return the state from the Run's status, or the reason why it is refused."""
        if refusal := mismatch(run, STORE_ID):
            return Loaded(refusal=refusal)
        return judge(run, run.get("status", {}).get("operatorState"), "status.operatorState")

    async def commit(
        self, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject
    ) -> tuple[JsonObject, Loaded]:
        """Replace the whole status in one write; see `Store.commit`."""
        raw = dump(state) if state else run.get("status", {}).get("operatorState")
        written = await self._write(run, full_status(run, before, status, STORE_ID, raw=raw))
        return written, replace(before, state=state or before.state)

    async def take(self, run: JsonObject, state: OperatorState | None) -> JsonObject:
        """Store the state of a Run of another store; one write."""
        return await self._write(run, moved_status(run, STORE_ID, raw=dump(state) if state else None))

    async def _write(self, run: JsonObject, status: JsonObject) -> JsonObject:
        return await write_status(self._client, run, status)


async def write_after_save(
    client: Client, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject, store_id: str
) -> tuple[JsonObject, Loaded]:
    """Write the status of a Run whose state is stored elsewhere: version `before.version + 1`, if there is a state to save."""
    version = before.version + (state is not None)
    written = await write_status(client, run, full_status(run, before, status, store_id, version=version))
    return written, Loaded(state or before.state, before.refusal, version)


async def write_status(client: Client, run: JsonObject, status: JsonObject) -> JsonObject:
    """Replace the status of exactly this version of a Run. Raises Conflict or NotFound."""
    meta = run["metadata"]
    return await client.replace(RUNS, meta["namespace"], meta["name"], {**run, "status": status}, subresource="status")
