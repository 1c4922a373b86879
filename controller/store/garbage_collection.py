"""Deletes the states of deleted Runs from a store. Each Run is read once more, live, before its state is deleted."""

from __future__ import annotations

from collections.abc import Collection, Container

import structlog

from controller.kube.client import Client
from controller.kube.errors import Forbidden, NotFound
from controller.kube.resources import RUNS
from controller.store import KnownRun, Store

log = structlog.get_logger(__name__)


async def forget_if_gone(store: Store, client: Client, run: KnownRun) -> bool:
    """Delete the state of one Run unless the Run exists; return whether it was deleted. Without permission to read the Run, keep
    it.
    """
    if not store.detached:
        return False
    try:
        found = await client.get(RUNS, run.namespace, run.name)
        if found["metadata"]["uid"] == run.uid:
            return False
    except Forbidden:
        return False
    except NotFound:
        pass
    await store.forget(run)
    log.info("state of a deleted Run removed", namespace=run.namespace, run=run.name, uid=run.uid)
    return True


async def collect(store: Store, client: Client, present: Container[str], namespaces: Collection[str] = ()) -> int:
    """Delete the states of Runs that no longer exist; return how many. `present` contains the UIDs that exist."""
    ours = (run for run in await store.known() if not namespaces or run.namespace in namespaces)
    missing = sorted(run for run in ours if run.uid not in present)
    return sum([await forget_if_gone(store, client, run) for run in missing])
