"""Carries out one step of a plan: creations and effects in the cluster, changes in memory, saves through the status writer."""

from __future__ import annotations

from dataclasses import replace

from controller.plan import Plan
from controller.plan.actions import CreatePod, Creation, Effect, ReserveAttempt, Transition
from controller.plan.steps import Act, Change, Create, Next, Save
from controller.plan.transitions import apply
from controller.reconcile.actions import Tools, perform
from controller.reconcile.decision_log import DecisionLog
from controller.reconcile.status_writer import StatusWriter
from controller.reconcile.unsaved_starts import UnsavedStarts
from controller.reconcile.work import Work


class StepRunner:
    """Runs steps; the API server's answers and the changes go into the work's snapshot, from which the next plan is computed."""

    def __init__(self, tools: Tools, starts: UnsavedStarts, status: StatusWriter, log: DecisionLog) -> None:
        self._tools, self._starts, self._status, self._log = tools, starts, status, log

    async def run(self, work: Work, decision: Plan, step: Next) -> None:
        """Carry a step out. Raises ApiError where the API server could not be asked, refused, or had a newer version."""
        match step:
            case Create(actions) | Act(actions):
                for action in actions:
                    await self._perform(work, action)
            case Change(actions):
                for transition in actions:
                    self._change(work, transition)
            case Save():
                await self._status.save(work, decision)

    async def _perform(self, work: Work, action: Creation | Effect) -> None:
        before, after = work.snapshot, await perform(self._tools, work.snapshot, action)
        work.snapshot = self._starts.adopt(after)
        work.proven_to_start &= not isinstance(action, CreatePod)
        if work.snapshot.refusals != before.refusals:
            self._log.refused(action, work.snapshot.refusals[-1].message)
        elif work.snapshot.namespace_terminating == before.namespace_terminating:
            self._log.acted(work, action)

    def _change(self, work: Work, action: Transition) -> None:
        work.snapshot = replace(work.snapshot, state=apply(work.snapshot, action, self._tools.now()))
        work.dirty = True
        if isinstance(action, ReserveAttempt):
            work.reserved.append(action.charge)
        self._log.acted(work, action)
