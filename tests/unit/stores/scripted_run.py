"""A Run that the shipped plan supervises over a scripted agent, in virtual time, with the ledger that an operator would keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from math import inf

from controller.api.base import JsonObject, parse
from controller.api.escalation import Decision, EscalationPhase
from controller.api.names import FINALIZER_OUTCOME, pod_name
from controller.api.operator_state import OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.ledger.entry import SEEN, Entry, entry_of
from controller.ledger.reading import Row
from controller.ledger.recorder import Recorder
from controller.ledger.situations import Situation, Situations
from controller.ledger.tables import row_of
from controller.plan import Action, Snapshot, plan
from controller.plan.actions import (
    CreateEscalation,
    CreatePod,
    DeletePod,
    RemoveFinalizer,
    SetEscalationPhase,
    Terminate,
    Transition,
    Ungate,
)
from controller.plan.attempts.lean_start import adopted, started_pods
from controller.plan.snapshot import EscalationFacts, PodFacts, ReportFacts, RunFacts, Termination
from controller.plan.steps import Act, Change, Create, next_step
from controller.plan.transitions import apply

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=1)
STEPS = 80
"""The most passes of a play."""
WATCHED_STEPS = 300
"""The same with a pass for each report."""
INTERVAL_SECONDS = 60
"""The time between two reports."""
NEVER = inf


@dataclass(frozen=True, slots=True)
class Life:
    """One attempt: it works so many seconds and exits with a code. It is silent from a second on, until another."""

    works: float
    code: int = 0
    silent: tuple[float, float] = (NEVER, NEVER)


@dataclass(slots=True)
class Play:
    """A Run with one agent, `coder`, whose attempts have the given lives; the last life repeats."""

    policy: JsonObject
    """The values of a RunPolicy's spec that differ from the defaults."""
    lives: Sequence[Life]
    answer_after: float = NEVER
    """Seconds after which a human answers an escalation with Retry."""
    run: str = "fix"
    watched: bool = False
    """Whether the ledger keeps each distinct situation, too (`--ledger-detail all`). The operator is then woken by each report."""
    now: datetime = BEGIN
    state: OperatorState | None = None
    pods: dict[str, PodFacts] = field(default_factory=dict)
    escalations: dict[str, EscalationFacts] = field(default_factory=dict)
    opened: dict[str, datetime] = field(default_factory=dict)
    woken: bool = False
    """Whether the last pass acted: its own writes wake the operator again."""
    situations: Situations = field(default_factory=Situations)

    def rows(self) -> list[Row]:
        """Play to the end or the horizon; return the ledger's rows."""
        found: list[Entry] = []
        for _ in range(STEPS if not self.watched else WATCHED_STEPS):
            entries, check = self._pass()
            found += entries
            ahead = [moment for moment in (check, *self._events()) if moment and moment > self.now]
            if not ahead or min(ahead) > BEGIN + HORIZON:
                break
            self.now = min(ahead)
        return [_row(number, entry) for number, entry in enumerate(found, 1)]

    def _pass(self) -> tuple[list[Entry], datetime | None]:
        """One pass of the operator: plan, step, plan again. Return what the ledger keeps of it, and the next check."""
        seen = self._snapshot()
        first = Situation(seen, plan(seen, self.now), self.now)
        acted, decision = list[Action](), first.plan
        for _ in range(STEPS):
            step = next_step(decision, dirty=False)
            match step:
                case Create(actions) | Act(actions) | Change(actions):
                    for action in actions:
                        self._do(action)
                        acted.append(action)
                case _:
                    break
            decision = plan(self._snapshot(), self.now)
        self.woken = bool(acted)
        kept: list[Entry | Situation] = []
        Recorder(kept.append, self.situations if self.watched else None).record(first, acted, "")
        return [_entry(each) for each in kept], decision.verdict.next_check

    def _snapshot(self) -> Snapshot:
        self.pods = {name: self._observed(pod) for name, pod in self.pods.items()}
        snapshot = Snapshot(
            run=RunFacts("team", self.run, self.run, 1, _spec(), created_at=BEGIN),
            policy=_resolved(json.dumps(self.policy)),
            state=self.state,
            pods=tuple(self.pods.values()),
            escalations=tuple(self._answered(each) for each in self.escalations.values()),
            reports=tuple(self._reports()),
        )
        return adopted(snapshot, started_pods(snapshot, self.now), self.now)

    def _do(self, action: Action) -> None:
        match action:
            case CreatePod():
                name = pod_name(self.run, action.agent, action.attempt)
                made = PodFacts(name, f"uid-{name}", action.agent, action.attempt, self.run, gated=True, created_at=self.now)
                self.pods[name] = replace(made, finalizers=(FINALIZER_OUTCOME,), reporting=True)
            case Ungate():
                bound = replace(self.pods[action.pod], gated=False, bound=True, phase="Running", ready=True)
                self.pods[action.pod] = replace(bound, scheduled_at=self.now, started_at=self.now)
            case Terminate() | DeletePod():
                ended = Termination(143, "Error", started_at=self.pods[action.pod].started_at, finished_at=self.now)
                pod = replace(self.pods[action.pod], phase="Failed", ready=False, termination=ended, ending_since=self.now)
                self.pods[action.pod] = replace(pod, deleting=isinstance(action, DeletePod), deleted_at=self.now)
            case RemoveFinalizer():
                del self.pods[action.pod]
            case CreateEscalation(inquiry=inquiry):
                about = (inquiry.name, inquiry.name, self.run, action.agent, action.attempt, EscalationPhase.OPEN)
                self.escalations[inquiry.name] = EscalationFacts(*about, type=inquiry.type, expires_at=inquiry.expires_at)
                self.opened[inquiry.name] = self.now
            case SetEscalationPhase():
                changed = replace(self._answered(self.escalations[action.escalation]), phase=action.escalation_phase)
                self.escalations[action.escalation] = changed
            case _ if isinstance(action, Transition):
                self.state = apply(self._snapshot(), action, self.now)

    def _life(self, pod: PodFacts) -> Life:
        return self.lives[min(pod.attempt, len(self.lives) - 1)]

    def _ends(self, pod: PodFacts) -> datetime | None:
        life = self._life(pod)
        return _after(pod.started_at, life.works) if pod.started_at and life.works < NEVER else None

    def _observed(self, pod: PodFacts) -> PodFacts:
        """Return a pod as it is now: ended if its life is over."""
        if pod.termination:
            return pod
        ends = self._ends(pod)
        if ends is None or ends > self.now:
            return pod
        code = self._life(pod).code
        ended = Termination(code, "Error" if code else "Completed", started_at=pod.started_at, finished_at=ends)
        return replace(pod, phase="Failed" if code else "Succeeded", ready=False, termination=ended)

    def _answered(self, escalation: EscalationFacts) -> EscalationFacts:
        if not escalation.open or self.now < _after(self.opened[escalation.name], self.answer_after):
            return escalation
        return replace(escalation, decision=Decision.RETRY, by="alice")

    def _reports(self) -> Iterator[ReportFacts]:
        """Yield the newest report of the agent's running pod: it reports all the time."""
        for pod in map(self._observed, self.pods.values()):
            if pod.phase != "Running" or not pod.started_at:
                continue
            quiet, loud = (_after(pod.started_at, seconds) for seconds in self._life(pod).silent)
            active = quiet if quiet <= self.now < loud else self.now
            seq, about = int((self.now - pod.started_at).total_seconds()), (pod.agent, self.run, pod.attempt, pod.uid)
            yield ReportFacts(*about, seq, reported_at=self.now, interval_seconds=INTERVAL_SECONDS, active_at=active)

    def _events(self) -> Iterator[datetime | None]:
        """Yield the times at which the operator is woken."""
        yield from map(self._ends, self.pods.values())
        if self.watched and self.woken:
            yield _after(self.now, 1)
        if self.watched and any(pod.phase == "Running" for pod in map(self._observed, self.pods.values())):
            yield _after(self.now, INTERVAL_SECONDS)
        for name, opened in self.opened.items():
            if self.escalations[name].open:
                yield _after(opened, self.answer_after)


@cache
def _resolved(values: str) -> ResolvedPolicy:
    return ResolvedPolicy.of("default", parse(RunPolicySpec, json.loads(values)))


@cache
def _spec() -> RunSpec:
    return RunSpec(agents=(Agent(name="coder", image="busybox:1.37"),))


def _entry(kept: Entry | Situation) -> Entry:
    if isinstance(kept, Entry):
        return kept
    return entry_of(kept.snapshot, kept.plan, (), "", kept.at, SEEN)


def _row(number: int, entry: Entry) -> Row:
    kept = row_of(entry)
    names = ("namespace", "run", "rule", "phase", "reason", "digest", "snapshot", "plan", "outcome")
    return Row(id=number, at=entry.at, uid=kept["run_uid"], kind=entry.kind, **{name: kept[name] for name in names})


def _after(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=min(seconds, 10 * HORIZON.total_seconds()))
