"""Carries out a plan's steps, one module for each kind.

Each step takes a snapshot and returns it updated by the API server's answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from controller.kube.errors import ApiError, namespace_terminates, refused_for_good
from controller.plan.actions import (
    Consult,
    CreateClaim,
    CreateEscalation,
    CreatePod,
    CreateTask,
    Creation,
    DeletePod,
    DeleteRun,
    DeliverAnswer,
    Effect,
    RemoveFinalizer,
    SetEscalationPhase,
    Terminate,
    Ungate,
)
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.consult import consult
from controller.reconcile.actions.create import create_claim, create_pod
from controller.reconcile.actions.create_task import create_task
from controller.reconcile.actions.delete_run import delete_run
from controller.reconcile.actions.deliver_answer import deliver
from controller.reconcile.actions.dependencies import Tools, refused
from controller.reconcile.actions.escalate import create_escalation, set_phase
from controller.reconcile.actions.remove_finalizer import remove_finalizer
from controller.reconcile.actions.terminate import delete_pod, terminate
from controller.reconcile.actions.ungate import ungate


async def perform(tools: Tools, snapshot: Snapshot, action: Creation | Effect) -> Snapshot:
    """Carry out one step that touches the cluster, or return the snapshot with the API server's refusal of it.

    Raises ApiError where the step failed for a time; the next reconcile plans the step again.
    """
    try:
        if isinstance(action, Creation):
            return await _create(tools, snapshot, action)
        after = await _carry_out(tools, snapshot, action)
    except ApiError as error:
        if namespace_terminates(error):
            return replace(snapshot, namespace_terminating=True)
        if not refused_for_good(error):
            raise
        return refused(snapshot, action, error.message)
    return refused(after, action, UNDONE) if _objects(after) == _objects(snapshot) else after


UNDONE = "the API server accepted the write, but the object is as before: a mutating admission webhook undoes it"
"""The message of a write without an effect. Tried at once again, it would be repeated without end."""


def _objects(snapshot: Snapshot) -> tuple[object, ...]:
    """Return everything that an effect may change, independent of its order."""
    pods, reports = {pod.uid: pod for pod in snapshot.pods}, {report.agent: report for report in snapshot.reports}
    return snapshot.run, pods, reports, {e.name: e for e in snapshot.escalations}, snapshot.consultations


async def _create(tools: Tools, snapshot: Snapshot, action: Creation) -> Snapshot:
    match action:
        case CreateClaim():
            return await create_claim(tools, snapshot, action)
        case CreatePod():
            return await create_pod(tools, snapshot, action)
        case CreateTask():
            return await create_task(tools, snapshot, action)
        case CreateEscalation():
            return await create_escalation(tools, snapshot, action)
        case _:
            assert_never(action)


async def _carry_out(tools: Tools, snapshot: Snapshot, action: Effect) -> Snapshot:
    match action:
        case Ungate():
            done = ungate(tools, snapshot, action)
        case Terminate():
            done = terminate(tools, snapshot, action)
        case DeletePod():
            done = delete_pod(tools, snapshot, action)
        case RemoveFinalizer():
            done = remove_finalizer(tools, snapshot, action)
        case Consult():
            done = consult(tools, snapshot, action)
        case DeliverAnswer():
            done = deliver(tools, snapshot, action)
        case SetEscalationPhase():
            done = set_phase(tools, snapshot, action)
        case DeleteRun():
            done = delete_run(tools, snapshot, action)
        case _:
            assert_never(action)
    return await done


__all__ = ["Tools", "perform"]
