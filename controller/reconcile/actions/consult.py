"""Starts a consultation, and does not wait for it: the advice is part of a later snapshot."""

from __future__ import annotations

from dataclasses import replace

from controller.plan.actions import Consult
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import Tools


async def consult(tools: Tools, snapshot: Snapshot, action: Consult) -> Snapshot:
    """Start the consultation that an action asks for, unless it has started."""
    if tools.consultations is None:
        raise ValueError("an operator without an advisor has the mode Off, in which nobody is consulted")
    begun = tools.consultations.begin(snapshot, action)
    return replace(snapshot, consultations=(*snapshot.consultations, begun))
