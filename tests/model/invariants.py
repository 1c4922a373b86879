"""The invariants after every step, and the facts that have to be remembered to check them.

P1 charged restarts <= the budget; P2 one started pod per agent and attempt; P3 no pod is ended unless the state requires it; P4 one
live pod per agent; P5 restarts a cooldown apart; finished work is never started again; no pod runs that the state does not name; no
pod is released before its outcome is recorded. A pod that is deleted by force does not count for P4, and its work is unknown. A
human's request (a restart, a Retry) is not charged, waits for no cooldown, and repeats finished work if it asks for that.
An operator that knows of a halt starts no agent (H). One whose facts do not
admit an agent to its provider neither starts it nor creates its pod (Q; `limits.py` has the rest).
`deadlines.py` has what must hold of a deadline (D). Tasks have invariants of their own (`invariants_tasks.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from controller.api.operator_state import AgentState, OperatorState, OutcomeResult
from controller.plan.attempts.start_stop import FIRST_ATTEMPT
from controller.plan.reasons import Reason
from tests.model import limits
from tests.model.accounts import Accounts, by_human
from tests.model.bridge import Bridge, question_name
from tests.model.deadlines import Deadlines
from tests.model.invariants_agents import Promises
from tests.model.invariants_tasks import Tasks
from tests.model.reporting import COMPLETED
from tests.model.world import Config, Facts, Ghost, Pod, World
from tests.model.world_steps import Event

T = TypeVar("T", bound=tuple[Any, ...])


class Invariants:
    """The invariants in one configuration."""

    def __init__(self, config: Config, bridge: Bridge) -> None:
        self._config, self._bridge = config, bridge
        self._accounts = Accounts(config)
        self._promises = promises = Promises(config, bridge)
        self._tasks = Tasks(config, bridge)
        self._deadlines = Deadlines(config, bridge)
        self._checks: dict[str, Callable[[World, Event], str]] = {
            "start": self._start,
            "create": _created,
            "end": self._end,
            "release": self._release,
            "save": self._save,
            "tick": self._deadlines.passed,
            "ask": promises.asked,
            "deliver": promises.delivered,
            "mark": promises.marked,
        }

    def remember(self, before: World, event: Event) -> Ghost:
        """Return the remembered facts after an event."""
        ghost, pod = before.ghost, event.pod
        if event.kind in ("save", "tick"):
            return self._remember_save(before, event) if event.kind == "save" else self._deadlines.remember(before, event)
        if pod is None or pod.task:
            return self._tasks.remember(ghost, event, pod) if pod else ghost
        mark = (*pod.name, pod.owner)
        if event.kind == "start" and not pod.deleting:
            return ghost._replace(started=_with(ghost.started, (*mark, pod.uid)))
        if event.kind == "done" and mark not in ghost.excused and self._agent(before, pod) is not None:
            return ghost._replace(done=_with(ghost.done, mark))
        if event.kind in ("force", "strip"):
            return self._remember_force(before, event, pod)
        return ghost

    def _remember_force(self, before: World, event: Event, pod: Pod) -> Ghost:
        ghost, mark = before.ghost, (*pod.name, pod.owner)
        others = tuple(done for done in ghost.done if done != mark)
        if event.kind == "strip" and not self._saved(before, pod):
            # Nothing in the cluster shows any more that the attempt was started (docs/protocol.md, "The lean start").
            return ghost._replace(started=tuple(each for each in ghost.started if each[3] != pod.uid), done=others)
        return ghost if _reported(before, pod) else ghost._replace(done=others, excused=_with(ghost.excused, mark))

    def broken(self, before: World, event: Event | None, after: World) -> str:
        """Return the invariant that a step broke, empty for none."""
        if event is not None:
            of_task = self._tasks.checks if event.pod and event.pod.task else self._checks
            check = of_task.get(event.kind)
            if check and (found := check(before, event)):
                return found
        live = Counter((pod.owner, pod.agent) for pod in after.pods if pod.live)
        if any(count > 1 for count in live.values()) and any(pod.live and pod.task for pod in after.pods):
            return "V3: the pod of a task is live beside another pod of its agent"
        return "P4: two pods of an agent are live" if any(count > 1 for count in live.values()) else ""

    def _start(self, before: World, event: Event) -> str:
        pod = event.pod
        if event.view and event.view.halted:
            return "H: an agent is started by an operator that knows of the halt"
        if pod is None or pod.deleting:
            return _created(before, event)
        if any(mark[:3] == (*pod.name, pod.owner) and mark[3] != pod.uid for mark in before.ghost.started):
            return f"P2: attempt {pod.attempt} is started a second time"
        if any(agent == pod.agent and run == pod.owner and n < pod.attempt for agent, n, run in before.ghost.done):
            return "finished work is started again"
        if before.run is None or before.run.uid != pod.owner:
            return ""  # an operator that was held up cannot know; the garbage collector takes the pod
        return _created(before, event) if self._named(before, pod) else "a pod is started that no state names"

    def _end(self, before: World, event: Event) -> str:
        """P3: a gated pod of no attempt can never start; a pod that the state names is ended only by decision."""
        pod, run = event.pod, before.run
        if pod is None or pod.ended or run is None or run.deleting or pod.owner != run.uid:
            return ""
        state = self._bridge.states.values[run.state]
        if state is not None and (state.stop or state.paused_at):
            return ""
        agent = self._agent(before, pod) or AgentState()
        if pod.attempt < agent.attempt or (pod.gated and agent.pod_uid not in ("", pod.uid)):
            return ""
        if agent.outcome is not None and agent.pod_uid == pod.uid:
            return ""  # the end of its agent is on record: what is left of the pod is ended
        return f"P3: a pod of the current attempt {agent.attempt} is ended, and no state says so"

    def _release(self, before: World, event: Event) -> str:
        pod, run = event.pod, before.run
        if pod is None or not pod.bound or run is None or run.deleting or before.unspaced or not self._named(before, pod):
            return ""  # a pod that never ran has no outcome
        return "a pod is released whose outcome is not on record"

    def _save(self, before: World, event: Event) -> str:
        old, new = self._states(event)
        if new is None:
            return "the state is erased" if old else ""
        if old and old.stop and not new.stop:
            return "a stop is taken back"
        for name, agent in new.agents.items():
            was = old.agents.get(name, AgentState()) if old else AgentState()
            if agent.attempt == was.attempt and was.pod_uid and agent.pod_uid != was.pod_uid:
                return "P2: another pod takes the place of the attempt's"
            if before.hers and _newly_done(was, agent) and not _done(before, name, agent):
                return "work that was not done counts as done"
            found = self._promises.restarted(before, event, name, was, agent) or self._tasks.saved(before, name, was, agent)
            if found:
                return found
        broken = self._tasks.completed(before, old, new) or self._accounts.broken(before, old, new, event.now)
        broken = broken or limits.broken(self._config, before, old, new) or self._deadlines.saved(before, event, new)
        return broken or self._unpaid(before, event, old, new)

    def _unpaid(self, before: World, event: Event, old: OperatorState | None, new: OperatorState) -> str:
        known = old.agents if old else {}
        found = (
            self._promises.unpaid(before, event, name, known.get(name, AgentState()), agent) for name, agent in new.agents.items()
        )
        return next(filter(None, found), "")

    def _remember_save(self, before: World, event: Event) -> Ghost:
        ghost, (old, new) = before.ghost, self._states(event)
        for name, agent in new.agents.items() if new else ():
            was = old.agents.get(name, AgentState()) if old else AgentState()
            if agent.attempt == was.attempt or before.run is None:
                continue
            ghost = self._spent(ghost, event, name, was, agent)
            if by_human(before, name, was, agent):
                mark = (name, was.attempt, before.run.uid)
                done = tuple(done for done in ghost.done if done != mark)
                ghost = ghost._replace(done=done, excused=_with(ghost.excused, mark))
            elif agent.restarts + agent.free_restarts > was.restarts + was.free_restarts:
                others = tuple(entry for entry in ghost.restarted if entry[0] != name)
                ghost = ghost._replace(restarted=_with(others, (name, event.now)))
        return ghost

    def _spent(self, ghost: Ghost, event: Event, name: str, was: AgentState, agent: AgentState) -> Ghost:
        """Count an attempt; an uncharged one uses up the acts of a human that its operator has seen."""
        if self._config.counted:
            count = dict(ghost.unasked).get(name, 0) + 1
            ghost = ghost._replace(unasked=_with(tuple(e for e in ghost.unasked if e[0] != name), (name, count)))
        paid = agent.restarts + agent.free_restarts > was.restarts + was.free_restarts
        if paid or agent.last_outcome != Reason.PARKED:
            return ghost
        return ghost._replace(fresh=tuple(mark for mark in ghost.fresh if mark[0] != name or not _seen_settled(event, mark)))

    def _states(self, event: Event) -> tuple[OperatorState | None, OperatorState | None]:
        """Return the state before and after a save, as its writer has it."""
        states = self._bridge.states.values
        return states[event.run.state if event.run else 0], states[event.state]

    def _agent(self, world: World, pod: Pod) -> AgentState | None:
        """Return the state of the pod's agent, if the pod belongs to the existing Run."""
        if world.run is None or world.run.uid != pod.owner:
            return None
        state = self._bridge.states.values[world.run.state]
        return state.agents.get(pod.agent, AgentState()) if state else AgentState()

    def _saved(self, world: World, pod: Pod) -> bool:
        agent = self._agent(world, pod)
        return agent is None or agent.pod_uid == pod.uid or agent.attempt != pod.attempt

    def _named(self, world: World, pod: Pod) -> bool:
        """Whether the pod is its agent's, with no end on record: the state names it, or no pod yet of the first attempt."""
        agent = self._agent(world, pod)
        if agent is None or agent.outcome is not None:
            return False
        return agent.pod_uid == pod.uid or (agent.pod_uid == "" and agent.attempt == pod.attempt == FIRST_ATTEMPT)


def _created(_: World, event: Event) -> str:
    held = event.view is not None and event.view.provider == Facts.HOLDS
    return "Q: an agent is started by an operator whose facts say that its provider holds it" if held else ""


def _newly_done(was: AgentState, agent: AgentState) -> bool:
    done = agent.outcome is not None and agent.outcome.result is OutcomeResult.COMPLETED
    return done and agent.outcome != was.outcome


def _done(before: World, name: str, agent: AgentState) -> bool:
    """Whether the attempt that is recorded as complete has completed, by its pod or its own report."""
    attempt = agent.outcome.attempt if agent.outcome else agent.attempt
    return before.run is not None and (name, attempt, before.run.uid) in (*before.ghost.done, *before.ghost.excused)


def _seen_settled(event: Event, mark: tuple[str, str]) -> bool:
    """Whether an operator has seen that a human has answered or dismissed a question."""
    if event.view is None:
        return True
    name = question_name(*mark, event.view.key)
    return all(e.decision for e in event.view.escalations if e.name == name)


def _reported(world: World, pod: Pod) -> bool:
    """Whether the pod's work is known to be done, for any later fate of the pod."""
    report = world.report(pod.agent)
    return report is not None and report.pod == pod.uid and report.word.result == COMPLETED


def _with(marks: tuple[T, ...], mark: T) -> tuple[T, ...]:
    return tuple(sorted({*marks, mark}))
