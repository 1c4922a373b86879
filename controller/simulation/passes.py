"""The operator's passes over one Run: the shipped plan, steps and transitions, over the simulated cluster.

A pass is due when the cluster has changed, when a report arrives, and at the time that the last plan has named. Reports that change
no decision are not planned for one by one, see `lazily`.
"""

from __future__ import annotations

from datetime import datetime

from controller.api.llm_policy import LLMMode
from controller.api.operator_state import OperatorState
from controller.api.resolved_policy import ResolvedPolicy
from controller.plan import planner, steps, transitions
from controller.plan.actions import Creation, DeletePod, Effect, RecordAdvice, ReserveAttempt, StopRun, Terminate, Transition
from controller.plan.attempts import lean_start
from controller.plan.intents import Charge
from controller.plan.model import Plan
from controller.plan.reasons import Reason
from controller.plan.snapshot import ReportFacts, RunFacts, Snapshot
from controller.plan.steps import Act, Change, Create, Save
from controller.simulation.cluster import Cluster
from controller.simulation.counterfactual import would_finish
from controller.simulation.effects import perform
from controller.simulation.virtual_time import NEVER

MAX_STEPS = 100
"""Steps of a pass after which its plan counts as one that never settles."""

ORDERED = frozenset(
    {
        Reason.RETRY_ORDERED,
        Reason.RESTART_REQUESTED,
        Reason.STOP_ORDERED,
        Reason.STOP_REQUESTED,
        Reason.DEADLINE_EXCEEDED,
        Reason.TOKEN_BUDGET_EXCEEDED,
    }
)
"""Ends that people or the Run's spec have asked for: no judgement of the operator's."""


class PlanNeverSettles(Exception):
    """A pass whose plan always has another step: an error of the plan."""


class Passes:
    """The operator for one Run. `check` is when the next pass is due if nothing happens, in virtual time."""

    def __init__(self, cluster: Cluster, run: RunFacts, policy: ResolvedPolicy) -> None:
        self._cluster, self._run, self._policy = cluster, run, policy
        self._mode = LLMMode.OFF if cluster.advisor is None else policy.spec.llm.mode or LLMMode.ASSIST
        self._state: OperatorState | None = None
        self._saved: OperatorState | None = None
        self._cause = Reason.STARTING
        self.accepted: Plan | None = None
        self.check = NEVER
        self.acted = False

    @property
    def finished(self) -> bool:
        """Whether the Run has ended."""
        return self._state is not None and self._state.stop is not None and self._state.stop.completed_at is not None

    @property
    def state(self) -> OperatorState | None:
        """The operator's state."""
        return self._state

    def reconcile(self) -> None:
        """Take step after step until none is due."""
        self._cluster.changed, self.acted, dirty = False, False, False
        decision = self._decide()
        for _ in range(MAX_STEPS):
            adopting = self._state is not self._saved and self._state != self._saved
            step = steps.next_step(decision, dirty=dirty, adopting=adopting)
            if step is None:
                return self.accept(decision)
            self.acted = True
            match step:
                case Save():
                    self._saved, dirty = self._state, False
                    continue
                case Change(actions):
                    for transition in actions:
                        self._change(transition)
                    dirty = True
                case Create(actions) | Act(actions):
                    for action in actions:
                        self._judge(action)
                        perform(self._cluster, self._run, action)
            decision = self._decide()
        raise PlanNeverSettles(f"rule {decision.rule} at {self._now}: {decision.actions}")

    def accept(self, decision: Plan) -> None:
        """Take a plan without actions as the Run's."""
        self.accepted, check = decision, decision.verdict.next_check
        self.check = max(self._cluster.now, self._cluster.clock.reach(check)) if check else NEVER
        self._cluster.account.enter(decision.verdict.phase, decision.verdict.reason, self._cluster.now)

    def plan_with(self, report: ReportFacts, time: int) -> Plan:
        """Return the plan for a report that arrives at a time, if nothing happens until then."""
        self._cluster.account.plans += 1
        return planner.plan(self._snapshot(report), self._cluster.clock.at(time))

    def _decide(self) -> Plan:
        snapshot = self._snapshot(self._cluster.report)
        if started := lean_start.started_pods(snapshot, self._now):
            snapshot = lean_start.adopted(snapshot, started, self._now)
            self._state = snapshot.state
        self._cluster.account.plans += 1
        return planner.plan(snapshot, self._now)

    @property
    def _now(self) -> datetime:
        return self._cluster.clock.at(self._cluster.now)

    def _snapshot(self, report: ReportFacts | None) -> Snapshot:
        cluster = self._cluster
        return Snapshot(
            run=self._run,
            policy=self._policy,
            state=self._state,
            pods=tuple(cluster.pods.values()),
            escalations=tuple(cluster.escalations.values()),
            reports=(report,) if report else (),
            consultations=tuple(cluster.consultations.values()),
            advisor=cluster.advisor is not None,
            mode=self._mode,
        )

    def _change(self, action: Transition) -> None:
        self._state = transitions.apply(self._snapshot(self._cluster.report), action, self._now)
        match action:
            case ReserveAttempt(charge=charge):
                self._cluster.account.charged += charge is Charge.BUDGET
                self._cluster.account.free += charge is Charge.FREE
                self._cause = action.reason
            case StopRun():
                self._cause = action.reason
            case RecordAdvice():
                self._cluster.consultations.pop(action.escalation, None)

    def _judge(self, action: Creation | Effect) -> None:
        """Count an agent that is ended although it would have ended its work."""
        cluster, life = self._cluster, self._cluster.life
        if not isinstance(action, Terminate | DeletePod) or life is None or life.pod != action.pod:
            return
        if life.ends or not life.running or self._cause in ORDERED:
            return
        cluster.account.false_stops += would_finish(life, cluster.people, cluster.now, cluster.horizon)
