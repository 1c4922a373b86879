"""The bridge between the model and the shipped code: snapshots in, the next step of a pass out. All of it is pure, so all results
are cached.

`plan`, `apply` and `next_step` are the shipped functions. `TICK` seconds are one tick of the abstract clock, longer than the grace
period plus the time after which a pod counts as deaf.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from controller.api.agent_report import LimitKind
from controller.api.base import MAX_SECONDS
from controller.api.escalation import Decision, EscalationPhase, EscalationType
from controller.api.llm_policy import LLMMode
from controller.api.names import (
    FINALIZER_OUTCOME,
    SOURCE_CONTAINER,
    attempt_pod,
    escalation_name,
    named_task,
    pod_name,
    task_pod_name,
)
from controller.api.operator_state import AgentState, OperatorState, ResultStatus
from controller.api.policy import RunPolicySpec
from controller.api.publishing import Publish, PublishGit
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, DesiredState, RunSpec
from controller.api.verification import Verify
from controller.plan import planner, steps, transitions
from controller.plan.actions import Action, Creation, Effect, Transition
from controller.plan.attempts import lean_start
from controller.plan.context import PlanContext
from controller.plan.escalations.questions import asked_names
from controller.plan.model import Plan
from controller.plan.providers import starts
from controller.plan.reads import expected_pod_names, final_pods, reporting_agents
from controller.plan.reasons import Reason
from controller.plan.snapshot import (
    EscalationFacts,
    HaltFacts,
    LimitFacts,
    PodFacts,
    ProviderFacts,
    QuestionFacts,
    Refusal,
    ReportFacts,
    RunFacts,
    Snapshot,
    Termination,
)
from controller.plan.steps import MAX_STEPS, Act, Change, Create, Save
from controller.reconcile.actions.deliver_answer import NO_ANSWER, delivery_body
from tests.model.advisor_answers import heard
from tests.model.reporting import ACTIVE, Delivery, Report, Word, answer_to
from tests.model.world import AWAY, DENIED, ENDED, INIT, NEVER, REJECTED, Config, Escalation, Exit, Facts, Pod, PodName, Run, Said
from tests.no_widening import widened

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = 100
LONG_AGO = START - timedelta(days=1)
"""Since when a refused write was refused before: a human is asked at once, since the status that has the time is not modelled."""
RUN = "r"
HALT = HaltFacts("alice", "an outage")
PROVIDER = "p"
T = TypeVar("T", bound=Hashable)


class Table(Generic[T]):
    """Numbers for values, from 0."""

    def __init__(self) -> None:
        self._ids: dict[Hashable, int] = {}
        self.values: list[T] = []

    def number(self, value: T, key: Hashable = None) -> int:
        """Return the number of a value; `key` identifies it, by default the value itself."""
        key = value if key is None else key
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self.values)
            self.values.append(value)
        return found


Name = tuple[Any, ...]
"""An object that is read by name: a pod, (agent, attempt, and its task), a report, (REPORT, agent), or an escalation, (INBOX,
name).
"""

INBOX, REPORT = "!", "?"

Owner = tuple[int, int]
"""A Run: its namespace (`OURS` or `HERS`) and its UID."""

POLICY: dict[str, Any] = {"restart_budget": 1, "restart_budget_reset_seconds": 0, "unhealthy_confirmations": 1}
"""Small numbers, so that they are reached; suspicions are confirmed at once, unless a configuration differs."""


class View(NamedTuple):
    """An operator's observation: the Run in its snapshot (None if deleted), the pods, the namespace."""

    key: int
    run: Run | None
    pods: tuple[Pod, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    reports: tuple[Report, ...] = ()
    unspaced: bool = False
    said: tuple[Said, ...] = ()
    refused: tuple[Refusal, ...] = ()
    """The writes that were refused in this pass."""
    halted: bool = False
    """Whether the operator knows of a halt."""
    provider: str = Facts.NONE
    """What the operator knows of the provider."""


class Doing(NamedTuple):
    """An operator before a write: `saved` is the state in its version of the Run, `actions` are numbered."""

    view: View
    saved: int
    verb: str
    actions: tuple[int, ...] = ()
    now: int = 0
    """The time of a save's decision, by the operator's own clock."""
    proven: bool = False
    """Whether the Run was read or saved after the pods were seen, so that one may be started."""


class Finding(Exception):  # not a fault
    """A forbidden behaviour: a plan that does not reach a stable state, or one that advice has widened."""


class Bridge:
    """The shipped code as the model uses it, for one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.states: Table[OperatorState | None] = Table()
        self.states.number(None, "")
        self.actions: Table[Creation | Effect] = Table()
        self._policy = ResolvedPolicy.of("default", RunPolicySpec(**{**POLICY, **config.policy}))
        self._spec = lru_cache(None)(lambda desired, asked: _spec(config, desired, asked))
        self.pod_facts = lru_cache(None)(self._pod_facts)
        self.snapshot = lru_cache(None)(self._snapshot)
        self.plan = lru_cache(None)(self._plan)
        self.settle = lru_cache(None)(self._settle)
        self.adopted = lru_cache(None)(self._adopted)
        self.looked_at = lru_cache(None)(self._looked_at)
        self.kept = lru_cache(None)(self._kept)
        self.speakers = lru_cache(None)(self._speakers)
        self.asked = lru_cache(None)(self._asked)

    def _snapshot(self, view: View) -> Snapshot:
        """Return the snapshot of a view. As in `cache/providers.py`, an agent that does not want to start counts as admitted."""
        snapshot = self._observed(view)
        if view.provider == Facts.NONE:
            return snapshot
        want = {agent.name for agent in starts.waiting(PlanContext(snapshot, START))}
        facts = (_provider_facts(name, view.provider, wants=name in want) for name in self._config.agents)
        return replace(snapshot, providers=tuple(facts))

    def _observed(self, view: View) -> Snapshot:
        run = view.run
        gone = run is None or run.deleting
        spec = self._spec(run.desired, run.asked) if run else None
        since = LONG_AGO if view.refused else None
        facts = RunFacts("ns", RUN, _run_uid(view.key), generation=1, spec=spec, gone=gone, refused_since=since)
        return Snapshot(
            run=facts,
            policy=self._policy if run else None,
            state=self.states.values[run.state] if run else None,
            pods=tuple(self.pod_facts(pod) for pod in view.pods),
            escalations=tuple(map(_escalation_facts, view.escalations)),
            reports=tuple(map(_report_facts, view.reports)),
            refusals=view.refused,
            consultations=tuple(map(heard, view.said)),
            advisor=self._config.mode is not LLMMode.OFF,
            mode=self._config.mode,
            namespace_terminating=view.unspaced,
            halt=HALT if view.halted else None,
        )

    def _plan(self, view: View, now: int) -> Plan:
        snapshot = self.snapshot(view)
        decision = planner.plan(snapshot, moment(now))
        if self._config.mode is not LLMMode.OFF and (more := widened(snapshot, moment(now))):
            raise Finding(f"P6: advice makes the operator do what the rules would not: {sorted(map(str, more))}")
        return decision

    def _looked_at(self, run: Run, *, halted: bool = False) -> tuple[Name, ...]:
        """Return the names that are read even if the caches lack them: the pods', and those of the escalations in the state."""
        pods = map(_pod_of, expected_pod_names(self.snapshot(View(run.uid, run, halted=halted))))
        state = self.states.values[run.state]
        blocked = [agent.blocked.escalation for agent in state.agents.values() if agent.blocked] if state else []
        return tuple(sorted([*pods, *((INBOX, name) for name in blocked)]))

    def _kept(self, view: View) -> View:
        """Return a view with the pods that a cache has from before their deletion, where a live look does not read these."""
        known = tuple(pod._replace(deleting=False, forced=False) for pod in view.pods)
        spared = {facts.uid: facts.phase for facts in final_pods(self.snapshot(view._replace(pods=known)))}
        pods = zip(view.pods, known, strict=True)
        kept = tuple(old._replace(phase=spared[old.uid]) if old.uid in spared else pod for pod, old in pods)
        return view._replace(pods=kept)

    def _speakers(self, key: int, state: int, pods: tuple[Pod, ...]) -> tuple[Name, ...]:
        """Return the names of the reports that are read even if the caches lack them."""
        seen = self.snapshot(self.adopted(View(key, Run(key, state=state), pods)))
        return tuple((REPORT, agent) for agent in sorted(reporting_agents(seen, seen.pods)))

    def _asked(self, key: int, state: int, pods: tuple[Pod, ...], reports: tuple[Report, ...]) -> tuple[Name, ...]:
        """Return the names of the escalations that are read because an agent has asked."""
        names = asked_names(self.snapshot(self.adopted(View(key, Run(key, state=state), pods, reports=reports))))
        return tuple((INBOX, name) for name in sorted(names))

    def _pod_facts(self, pod: Pod) -> PodFacts:
        facts = _pod_facts(pod)
        if pod.task:
            return replace(facts, **_task_facts(self._config, pod))
        if self._config.differing and facts.termination and pod.exit == Exit.CRASHED:
            facts = replace(facts, termination=replace(facts.termination, message=f"failed {'again' * pod.attempt}"))
        word = Word(limit=True) if pod.exit == Exit.LIMITED and not self._config.reports else pod.word
        said = self._config.last_words and word is not None and pod.phase in ENDED
        last = Report(pod.agent, pod.owner, pod.attempt, pod.uid, word) if said and word else None
        return replace(facts, reporting=pod.word is not None, last_report=_report_facts(last) if last else None)

    def _settle(self, view: View, saved: int, now: int, proven: bool = False) -> Doing | None:
        """Return the next write of a pass in this state, None at its end; or the read that proves the Run before a start.

        Earlier changes of the state touch no object that others see, so they are not separate steps. A pass may put off its last
        save if that only names started pods; here this is a pass that is put down before it.
        """
        for _ in range(MAX_STEPS):
            view, dirty, adopting = self._unsaved(view, saved)
            step = steps.next_step(self.plan(view, now), dirty=dirty, adopting=adopting)
            if step and steps.starts_pod(step) and not proven:
                return Doing(view, saved, "prove")
            match step:
                case Change(actions):
                    view = self._changed(view, actions, now)
                case Create(actions) | Act(actions):
                    return Doing(view, saved, "act", tuple(map(self.actions.number, actions)), proven=proven)
                case Save():
                    return Doing(view, saved, "save", now=now)
                case None:
                    last = (dirty or adopting) and not view.unspaced
                    return Doing(view, saved, "last save", now=now) if last else None
        raise Finding("the plan does not become stable: changes of the state follow one another")

    def _unsaved(self, view: View, saved: int) -> tuple[View, bool, bool]:
        """Return the view with a state that names the started pods, whether it has other changes, and whether it names new ones."""
        view = self.adopted(view)
        if view.run is None:
            return view, False, False
        named = self.adopted(view._replace(run=view.run._replace(state=saved))).run
        assert named is not None
        return view, view.run.state != named.state, named.state != saved

    def _adopted(self, view: View) -> View:
        snapshot = self.snapshot(view)
        adopted = lean_start.adopted(snapshot, lean_start.started_pods(snapshot, START), START)
        return view if adopted is snapshot or adopted.state is None else self._with_state(view, adopted.state)

    def is_started(self, view: View, pod: Pod) -> bool:
        """Return whether a pod was started and no state names it: a pass that finds it by creating it has not seen its reports."""
        return any(found.uid == pod.uid for found in lean_start.started_pods(self.snapshot(view), START).values())

    def told(self, state: int) -> str:
        """Return a short text about a state."""
        found = self.states.values[state]
        if found is None:
            return "no state"
        parts = [_agent_told(name, agent) for name, agent in found.agents.items()]
        parts += [f"{name} has asked {len(agent.asked)}" for name, agent in found.agents.items() if agent.asked]
        parts += ["halted" if found.halted_at else "paused"] if found.paused_at else []
        parts += ["held by its provider"] if found.held_at else []
        if found.stop:
            parts.append(f"{'finished' if found.stop.completed_at else 'to be'} {found.stop.phase}")
        return ", ".join(parts)

    def _changed(self, view: View, actions: tuple[Transition, ...], now: int) -> View:
        for action in actions:
            view = self._with_state(view, transitions.apply(self.snapshot(view), action, moment(now)))
        return view

    def _with_state(self, view: View, state: OperatorState) -> View:
        assert view.run is not None
        state = self._leave_out_times(state)
        return view._replace(run=view.run._replace(state=self.states.number(state, state.model_dump_json())))

    def _leave_out_times(self, state: OperatorState) -> OperatorState:
        """Remove data that no decision reads, so that equal situations are equal states."""
        agents = {name: agent.model_copy(update={"opened": 0, "opened_since": None}) for name, agent in state.agents.items()}
        update: dict[str, Any] = {"updated_at": None, "agents": agents}
        if self._config.timeless:
            update |= {"started_at": state.started_at and START, "paused_at": state.paused_at and START, "paused_seconds": 0}
            update |= {"halted_at": state.halted_at and START, "held_at": state.held_at and START}
            update["agents"] = {name: _without_times(agent) for name, agent in agents.items()}
            if state.stop:
                done = state.stop.completed_at and START
                update["stop"] = state.stop.model_copy(update={"at": START, "completed_at": done})
        return state.model_copy(update=update)


def moment(tick: int) -> datetime:
    """Return the time of a tick."""
    return START + timedelta(seconds=TICK * tick)


def named(action: Action) -> PodName:
    """Return the name of the pod that an action is about."""
    return action.agent, action.attempt, *(named_task(getattr(action, "pod", "")) or ())


def _pod_of(name: str) -> PodName:
    """Return the model's name of a pod."""
    _, agent, attempt = attempt_pod(name).split("-")
    return agent, int(attempt[1:]), *(named_task(name) or ())


def tick(time: datetime) -> int:
    """Return the first tick that is not before a time."""
    return -int((START - time).total_seconds() // TICK)


def _spec(config: Config, desired: str, asked: int) -> RunSpec:
    verify = Verify(command=("check",)) if "verify" in config.tasks else None
    publish = Publish(git=PublishGit(branch="work")) if "publish" in config.tasks else None
    provider = None if Facts.NONE in config.facts else PROVIDER
    agents = tuple(Agent(name=name, image="model", verify=verify, publish=publish, provider=provider) for name in config.agents)
    restarted_at = {config.agents[0]: moment(asked)} if asked else None
    deadline = config.deadline * TICK or None
    return RunSpec(agents=agents, desired_state=DesiredState(desired), restarted_at=restarted_at, active_deadline_seconds=deadline)


def _without_times(agent: AgentState) -> AgentState:
    """Remove the start of the wait for a human; the wait is longer than the model's clock runs."""
    if agent.blocked is None:
        return agent
    update = {"since": START, "expires_at": START + timedelta(days=30)}
    return agent.model_copy(update={"blocked": agent.blocked.model_copy(update=update)})


def _escalation_facts(escalation: Escalation) -> EscalationFacts:
    return EscalationFacts(
        name=escalation.name,
        uid=escalation.name,
        run_uid=_run_uid(escalation.owner),
        agent=escalation.agent,
        attempt=escalation.attempt,
        phase=EscalationPhase(escalation.phase) if escalation.phase else None,
        decision=Decision(escalation.decision) if escalation.decision else None,
        type=_type(escalation),
        question=escalation.question,
        answer=answer_to(escalation.question) if escalation.decision == Decision.ANSWER else "",
        delivered_at=moment(escalation.delivered) if escalation.delivered != NEVER else None,
    )


def _type(escalation: Escalation) -> EscalationType:
    if escalation.approval:
        return EscalationType.APPROVAL
    return EscalationType.QUESTION if escalation.question else EscalationType.BLOCKED


def _report_facts(report: Report) -> ReportFacts:
    word = report.word
    return ReportFacts(
        agent=report.agent,
        run_uid=_run_uid(report.owner),
        attempt=report.attempt,
        pod_uid=report.pod,
        seq=word.seq,
        reported_at=moment(report.at),
        interval_seconds=INTERVAL_SECONDS,
        active_at=moment(report.at if word.idle == ACTIVE else word.idle),
        questions=tuple(QuestionFacts(question, question) for question in word.asks),
        delivered=word.delivered,
        read=word.read,
        parked=word.parked,
        result=ResultStatus(outcome=word.result) if word.result else None,
        limit=LimitFacts(LimitKind.QUOTA, START) if word.limit else None,
        deliveries=tuple(d.question for d in report.deliveries if d.answer != NO_ANSWER),
        dismissals=tuple(d.question for d in report.deliveries if d.answer == NO_ANSWER),
    )


INTERVAL_SECONDS = 50
"""Interval of the reporters' writes; a report is stale after three of them, which are more than one tick and less than two."""


def delivered(report: Report, question: str, answered: Escalation | None) -> Report:
    """Return the report after the shipped delivery has patched it."""
    before = [{"questionID": d.question, "answer": d.answer, "by": ""} for d in report.deliveries]
    facts = _escalation_facts(answered) if answered else None
    body = delivery_body({"spec": {"deliveries": before}, "metadata": {"resourceVersion": ""}}, question, facts)
    return report._replace(deliveries=tuple(Delivery(d["questionID"], d["answer"]) for d in body["spec"]["deliveries"]))


def owned(run: Owner, owner: Owner) -> bool:
    """Whether an object belongs to a Run: its owner's UID counts only in the Run's own namespace."""
    return run == owner


def question_name(agent: str, question: str, uid: int) -> str:
    """Return the name of a question's escalation."""
    return escalation_name(RUN, agent, _run_uid(uid), EscalationType.QUESTION, question)


def _agent_told(name: str, agent: AgentState) -> str:
    end = f" {agent.outcome.result} ({agent.outcome.reason})" if agent.outcome else ""
    charges = f", {agent.restarts} charged" if agent.restarts else ""
    blocked = f", blocked: {agent.blocked.reason} {agent.blocked.decision or ''}" if agent.blocked else ""
    return f"{name} attempt {agent.attempt} {agent.pod_uid or 'no pod'}{end}{charges}{blocked}"


def _run_uid(uid: int) -> str:
    return f"run{uid}" if uid >= 0 else ""


TOLD = timedelta(seconds=10)
"""Deletions and deadlines are requested this long into a tick; an agent that ended earlier in the tick ended before them."""


def _pod_facts(pod: Pod) -> PodFacts:
    """Return the facts of the API server's object.

    Times are coarse: only whether an agent finished before its pod was asked to end matters.
    """
    told = moment(pod.told) + TOLD if pod.told != NEVER else None
    facts = PodFacts(
        name=pod_name(RUN, pod.agent, pod.attempt),
        uid=pod.uid,
        agent=pod.agent,
        attempt=pod.attempt,
        run_uid=_run_uid(pod.owner),
        phase=pod.phase,
        gated=pod.gated,
        bound=pod.bound,
        node="node" if pod.bound else "",
        node_lost_since=moment(pod.lost) if pod.lost != NEVER else None,
        started_at=moment(pod.since) if pod.since != NEVER and not pod.exit else None,
        ready=pod.phase == "Running" and not pod.deleting and pod.unready == NEVER,
        unready_since=moment(pod.unready) if pod.unready != NEVER else None,
        forced=pod.forced,
        deleting=pod.deleting,
        deleted_at=START + TOLD if pod.deleting else None,
        deletion_grace_seconds=MAX_SECONDS if pod.prolonged else 0,
        finalizers=(FINALIZER_OUTCOME,) if pod.fin else (),
        ending_since=told,
        disrupted_at=START + TOLD if pod.disrupted else None,
        init_termination=_INIT_ENDS.get(pod.unrun),
        rejected=pod.unrun == REJECTED,
        restarted_at=moment(pod.asked) if pod.asked else None,
        created_at=moment(pod.made) if pod.made != NEVER else None,
    )
    return replace(facts, termination=_EXITS[pod.exit])


def _provider_facts(agent: str, known: str, *, wants: bool) -> ProviderFacts:
    if known != Facts.HOLDS or not wants:
        return ProviderFacts(agent, PROVIDER, exists=known != Facts.ABSENT)
    return ProviderFacts(agent, PROVIDER, admits=False, reason=Reason.PROVIDER_CLOSED, message="provider p is closed")


def _task_facts(config: Config, pod: Pod) -> dict[str, Any]:
    """Return the facts of the pod of a task that those of its attempt's pod lack."""
    words = f"failed {'again' * pod.attempt}" if config.differing else "failed"
    return {
        "name": task_pod_name(RUN, pod.agent, pod.attempt, pod.task, pod.number),
        "task": pod.task,
        "task_number": pod.number,
        "task_words": words if pod.exit == Exit.CRASHED else "",
        "pushed_words": f"commit {'0' * 40}" if pod.exit == Exit.DONE else "",
    }


_INIT_ENDS = {
    INIT: Termination(1, "Error", finished_at=START, container="init"),
    AWAY: Termination(75, "Error", finished_at=START, container=SOURCE_CONTAINER),
    DENIED: Termination(77, "Error", finished_at=START, container=SOURCE_CONTAINER),
}

_EXITS: dict[str, Termination | None] = {
    Exit.NONE: None,
    Exit.DONE: Termination(0, "Completed", finished_at=START),
    Exit.LATE: Termination(0, "Completed", finished_at=START + timedelta(days=1)),
    Exit.CRASHED: Termination(1, "Error", finished_at=START),
    Exit.LIMITED: Termination(75, "Error", finished_at=START),
    Exit.KILLED: Termination(143, "Error", finished_at=START + timedelta(days=1)),
}
