"""Carries out one step of a plan: creations and effects in the cluster, changes in memory, saves through the status writer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from http import HTTPStatus

from controller.kube.errors import Conflict
from controller.kube.resources import PODS
from controller.plan import Plan, Snapshot
from controller.plan.actions import CreatePod, Creation, Effect, ReserveAttempt, Transition
from controller.plan.attempts.lean_start import started_pods
from controller.plan.steps import Act, Change, Create, Next, Save, starts_pod
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
        if starts_pod(step):
            self._status.starting(work.key)
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
        if isinstance(action, CreatePod):
            _require_unstarted(after, action, self._tools.now())
            work.proven_to_start = False
        work.snapshot = self._admitted(self._starts.adopt(after))
        if work.snapshot.refusals != before.refusals:
            self._log.refused(action, work.snapshot.refusals[-1].message)
        elif work.snapshot.namespace_terminating == before.namespace_terminating:
            self._log.acted(work, action)

    def _change(self, work: Work, action: Transition) -> None:
        work.snapshot = self._admitted(replace(work.snapshot, state=apply(work.snapshot, action, self._tools.now())))
        work.dirty = True
        if isinstance(action, ReserveAttempt):
            work.reserved.append(action.charge)
        self._log.acted(work, action)

    def _admitted(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with what its agents' providers decide now: an agent may want to start since the last step."""
        return self._tools.cache.providers.admitted(snapshot, self._tools.now())


def _require_unstarted(snapshot: Snapshot, action: CreatePod, now: datetime) -> None:
    """Raise Conflict where the pod of this name was started by another operator: its reports were not observed yet."""
    if any(pod.name == action.pod for pod in started_pods(snapshot, now).values()):
        message = f"pod {action.pod} was started by another operator; the next reconcile observes it"
        raise Conflict(f"POST {PODS.path(snapshot.run.namespace)}", HTTPStatus.CONFLICT, "AlreadyExists", message)
