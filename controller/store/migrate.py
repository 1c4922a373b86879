"""Moves Runs from one store to another, one at a time. It may be interrupted anywhere and run again.

Until a Run's status names the new store the old one is authoritative, so an interrupted copy has no effect. The caller ensures that
no operator runs meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import Conflict, NotFound
from controller.kube.resources import RUNS
from controller.store import Store

TRIES = 5
"""How often one Run is tried if other clients change it."""


class MigrationRefused(RunwatchmanError):
    """The migration makes no sense; nothing was moved."""


@dataclass(slots=True)
class Summary:
    """Number of Runs by result."""

    moved: int = 0
    skipped: int = 0
    failed: int = 0
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one Run: `moved`, `skipped` or `failed`, and the reason."""

    kind: str
    why: str


class Migration:
    """Moves Runs between two stores, both created to open even if marked as migrated. `progress` gets one line per Run."""

    def __init__(self, client: Client, source: Store, target: Store, progress: Callable[[str], None]) -> None:
        self._client, self._source, self._target, self._progress = client, source, target, progress

    async def run(self, namespaces: Sequence[str] = ()) -> Summary:
        """Move every Run (of some namespaces), then mark the source. A Run that cannot be moved stays, and the source is not
        marked.
        """
        await self._source.open()
        await self._target.open()
        if self._source.id == self._target.id:
            raise MigrationRefused(f"both stores are {self._source.id!r}: name two different ones")
        await self._target.mark_migrated("")
        runs = await self._list(namespaces)
        summary = Summary()
        for number, run in enumerate(runs, 1):
            outcome = await self._move(run)
            setattr(summary, outcome.kind, getattr(summary, outcome.kind) + 1)
            meta = run["metadata"]
            self._progress(f"[{number}/{len(runs)}] {meta['namespace']}/{meta['name']}: {outcome.kind}: {outcome.why}")
        if not summary.failed and await self._is_empty(namespaces):
            await self._source.mark_migrated(self._target.id)
            summary.marked = True
        return summary

    async def _list(self, namespaces: Sequence[str]) -> list[JsonObject]:
        found = [(await self._client.list_all(RUNS, namespace)).items for namespace in namespaces or (None,)]
        kind = {"apiVersion": API_VERSION, "kind": "Run"}  # The items of a list have no apiVersion and kind.
        return [{**kind, **run} for page in found for run in page]

    async def _is_empty(self, namespaces: Sequence[str]) -> bool:
        """Whether the source has no data of Runs in namespaces that were left out."""
        return not namespaces or all(run.namespace in namespaces for run in await self._source.known())

    async def _move(self, run: JsonObject) -> Outcome:
        """Move one Run; read it again after each conflict."""
        meta = run["metadata"]
        for _ in range(TRIES):
            try:
                return await self._move_this(run)
            except NotFound:
                return Outcome("skipped", "it was deleted")
            except Conflict:
                run = await self._client.get(RUNS, meta["namespace"], meta["name"])
        return Outcome("failed", f"other clients changed it {TRIES} times meanwhile: run this again")

    async def _move_this(self, run: JsonObject) -> Outcome:
        """Copy the state, then set the new store on the Run. Raises Conflict or NotFound if this version no longer exists."""
        found = run.get("status", {}).get("storeID")
        if found == self._target.id:
            await self._source.release(run)
            return Outcome("skipped", "it was moved before")
        if found not in (None, self._source.id):
            return Outcome("failed", f"its state is in {found!r}, which is neither of the two stores: move it from there")
        loaded = await self._source.load(run, live=True)
        if loaded.refusal:
            return Outcome("failed", loaded.refusal)
        if loaded.state is None and found is None:
            return Outcome("skipped", "nothing was saved for it yet")
        await self._source.release(await self._target.take(run, loaded.state))
        agents = loaded.state.agents if loaded.state else {}
        return Outcome("moved", ", ".join(f"{name} at attempt {agent.attempt}" for name, agent in agents.items()) or "no state yet")
