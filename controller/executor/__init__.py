"""Carries out a plan's steps, one module a kind of step. Each takes a snapshot and returns it with what the API server answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.executor.consult import consult
from controller.executor.create import create_claim, create_pod
from controller.executor.deliver import deliver
from controller.executor.end import delete_pod, end
from controller.executor.escalate import create_escalation, mark
from controller.executor.expire import delete_run
from controller.executor.release import release
from controller.executor.tools import Tools
from controller.executor.ungate import ungate
from controller.plan.model import Action, Step
from controller.plan.snapshot import Snapshot

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
