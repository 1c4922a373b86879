"""The state in an annotation of its Run: for clusters whose backups keep metadata but no status.

A save is two writes, the annotation and then the status; each carries the resourceVersion. Users can edit the annotation. If they
erase it, copy it or restore it from a backup, it is refused: the status records which save it must hold.
"""

from __future__ import annotations

import json
from typing import Any

from controller.api.base import JsonObject, dump
from controller.api.names import ANNOTATION_STATE
from controller.api.operator_state import OperatorState
from controller.kube.resources import RUNS
from controller.store import Loaded
from controller.store.in_run_store import InRunStore
from controller.store.state_record import NOTHING_DONE, decode, judge, mismatch, moved_status
from controller.store.status_store import write_after_save, write_status

STORE_ID = "annotations"
WHERE = f"metadata.annotations[{ANNOTATION_STATE}]"
"""Holds `{"version": N, "state": {...}}`; N counts the saves."""


class AnnotationStore(InRunStore):
    """Stores the state in an annotation of the Run."""

    id = STORE_ID

    async def load(self, run: JsonObject, *, live: bool) -> Loaded:
        """Return the state from the Run's annotation, or the reason why it is refused."""
        if refusal := mismatch(run, STORE_ID):
            return Loaded(refusal=refusal)
        text = _annotation(run)
        if text is None:
            return judge(run, None, WHERE)
        version, raw, refusal = _open(text)
        return Loaded(refusal=refusal) if refusal else judge(run, raw, f"{WHERE}.state", version)

    async def commit(
        self, run: JsonObject, before: Loaded, state: OperatorState | None, status: JsonObject
    ) -> tuple[JsonObject, Loaded]:
        """Write the annotation, then the status over the resulting version; see `Store.commit`."""
        if state is not None:
            run = await self._annotate(run, _close(before.version + 1, state))
        return await write_after_save(self._client, run, before, state, status, STORE_ID)

    async def take(self, run: JsonObject, state: OperatorState | None) -> JsonObject:
        """Annotate a Run of another store, then set this store in its status."""
        version = 1 if state else 0
        if state is not None:
            run = await self._annotate(run, _close(version, state))
        return await write_status(self._client, run, moved_status(run, STORE_ID, version=version))

    async def release(self, run: JsonObject) -> None:
        """Remove the annotation from a Run that another store has taken over."""
        if _annotation(run) is not None:
            await self._annotate(run, None)

    async def _annotate(self, run: JsonObject, text: str | None) -> JsonObject:
        meta = run["metadata"]
        fence = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        body = {"metadata": {**fence, "annotations": {ANNOTATION_STATE: text}}}
        return await self._client.merge_patch(RUNS, meta["namespace"], meta["name"], body)


def _annotation(run: JsonObject) -> str | None:
    found: str | None = run["metadata"].get("annotations", {}).get(ANNOTATION_STATE)
    return found


def _close(version: int, state: OperatorState) -> str:
    return json.dumps({"version": version, "state": dump(state)}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _open(text: str) -> tuple[int, Any, str]:
    """Return the version and the state in an annotation, or the reason why they cannot be read."""
    found = decode(text, WHERE)
    if isinstance(found, str):
        return 0, None, found
    version, raw = found.get("version"), found.get("state")
    if type(version) is not int or version < 1 or not isinstance(raw, dict):
        return 0, None, f'{WHERE} is not {{"version": N, "state": {{...}}}}; {NOTHING_DONE}'
    return version, raw, ""
