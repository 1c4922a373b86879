"""The default store: the state lives in `status.operatorState`, so that one write carries state and status.

Users cannot touch it (status is a subresource), and the Run's resourceVersion is the compare-and-swap.
"""

from __future__ import annotations

from pydantic import ValidationError

from controller.api.base import JsonObject, dump, parse
from controller.api.run_status import OperatorState
from controller.cluster.client import Client
from controller.cluster.resources import RUNS
from controller.store import Loaded

STORE_ID = "status"
"""Written to status.storeID: a Run that was kept elsewhere is never taken for a new one."""


class StatusStore:
    """Keeps the state in the Run's own status."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def load(self, run: JsonObject) -> Loaded:
        """Return the state from the Run's status, or why it is not to be trusted."""
        status = run.get("status", {})
        found = status.get("storeID", STORE_ID)
        if found != STORE_ID:
            return Loaded(refusal=_mismatch(found))
        raw = status.get("operatorState")
        if raw is None:
            return Loaded(refusal=MISSING if status.get("startTime") else "")
        return _parse(raw, run["metadata"]["uid"])

    async def commit(self, run: JsonObject, state: OperatorState | None, status: JsonObject) -> JsonObject:
        """Replace the whole status in one write; see `Store.commit`."""
        kept = run.get("status", {}).get("operatorState")
        raw = dump(state) if state else kept
        body = {**run, "status": {**status, "storeID": STORE_ID}}
        if raw is not None:
            body["status"]["operatorState"] = raw
        meta = run["metadata"]
        return await self._client.replace(RUNS, meta["namespace"], meta["name"], body, subresource="status")


MISSING = (
    "the Run has started, but status.operatorState is missing: what was done for it is unknown, so nothing is done; "
    "delete the Run and apply it anew"
)


def _mismatch(found: str) -> str:
    return (
        f"status.storeID is {found!r}, but this operator keeps its state in {STORE_ID!r}: start it with the store that "
        "the Run was started with"
    )


def _parse(raw: JsonObject, run_uid: str) -> Loaded:
    try:
        state = parse(OperatorState, raw)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        return Loaded(refusal=f"status.operatorState.{path} cannot be read: {first['msg']}; nothing is done for this Run")
    return Loaded(state=state) if state.run_uid == run_uid else Loaded()
