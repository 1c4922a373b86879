"""Carries out a plan's steps, one module a kind of step. Each takes a snapshot and returns it with what the API server answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.plan.model import Action, Step
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.consult import consult
from controller.reconcile.actions.create import create_claim, create_pod
from controller.reconcile.actions.delete_run import delete_run
from controller.reconcile.actions.deliver_answer import deliver
from controller.reconcile.actions.dependencies import Tools
from controller.reconcile.actions.escalate import create_escalation, mark
from controller.reconcile.actions.remove_finalizer import release
from controller.reconcile.actions.terminate import delete_pod, end
from controller.reconcile.actions.ungate import ungate

Perform = Callable[[Tools, Snapshot, Action], Awaitable[Snapshot]]

STEPS: dict[Step, Perform] = {
    Step.CREATE_CLAIM: create_claim,
    Step.CREATE_POD: create_pod,
    Step.CREATE_ESCALATION: create_escalation,
    Step.UNGATE: ungate,
    Step.END: end,
    Step.DELETE_POD: delete_pod,
    Step.RELEASE: release,
    Step.CONSULT: consult,
    Step.DELIVER: deliver,
    Step.MARK: mark,
    Step.DELETE_RUN: delete_run,
}


async def perform(tools: Tools, snapshot: Snapshot, action: Action) -> Snapshot:
    """Carry out one step that touches the cluster. Raises ApiError; the next pass derives the step anew."""
    return await STEPS[action.step](tools, snapshot, action)


__all__ = ["Tools", "perform"]
