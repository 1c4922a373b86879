"""Deletes a finished Run whose TTL has expired."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from controller.kube.errors import NotFound
from controller.kube.resources import RUNS
from controller.plan.actions import DeleteRun
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import Tools


async def delete_run(tools: Tools, snapshot: Snapshot, _: DeleteRun) -> Snapshot:
    """Delete the Run with this UID; its pods and claims follow. Raises Conflict where it is another Run."""
    run = snapshot.run
    with contextlib.suppress(NotFound):
        await tools.client.delete(RUNS, run.namespace, run.name, uid=run.uid, propagation="Background")
    return replace(snapshot, run=replace(run, gone=True))
