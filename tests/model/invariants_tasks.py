"""Invariants of the tasks that follow an agent's work.

V1: an agent whose work is verified is complete only after a pod that the state named for that very attempt has verified it. V2:
nothing is published that was not verified, and no try of a task is started twice. V3: no pod of a task is live beside another pod
of its agent. A disruption of a task is neither a failure of the work nor a success.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.api.operator_state import AgentState, OperatorState, OutcomeResult
from controller.api.phases import Phase
from controller.api.verification import VerificationResult
from tests.model.bridge import Bridge
from tests.model.world import Config, Exit, Ghost, Pod, World
from tests.model.world_steps import Event

VERIFY, PUBLISH = "verify", "publish"


class Tasks:
    """The invariants of tasks in one configuration."""

    def __init__(self, config: Config, bridge: Bridge) -> None:
        self._config, self._bridge = config, bridge
        self.checks: dict[str, Callable[[World, Event], str]] = {"start": self._start, "end": self._end, "release": self._release}

    def remember(self, ghost: Ghost, event: Event, pod: Pod) -> Ghost:
        """Return the remembered facts after an event about the pod of a task."""
        mark = (*pod.name, pod.owner, pod.uid)
        if event.kind == "start" and not pod.deleting:
            return ghost._replace(tried=_with(ghost.tried, mark))
        if event.kind == "passed":
            return ghost._replace(passed=_with(ghost.passed, mark))
        if event.kind == "failed" and pod.task == VERIFY:
            work = (pod.agent, pod.attempt, pod.owner)
            return ghost._replace(done=tuple(done for done in ghost.done if done != work))  # The work was not good.
        return ghost

    def _start(self, before: World, event: Event) -> str:
        pod = event.pod
        if pod is None or pod.deleting:
            return ""
        if any(mark[:-1] == (*pod.name, pod.owner) and mark[-1] != pod.uid for mark in before.ghost.tried):
            return f"V2: try {pod.number} of a task is started a second time"
        if pod.task == PUBLISH and VERIFY in self._config.tasks and not _has_passed(before, pod.agent, pod.attempt, VERIFY):
            return "V2: work is published that was not verified"
        if before.run is None or before.run.uid != pod.owner:
            return ""  # an operator that was held up cannot know; the garbage collector takes the pod
        return "" if self._is_named(before, pod) else "the pod of a task is started that no state names"

    def _end(self, before: World, event: Event) -> str:
        """P3: the pod of a try is ended only by decision."""
        pod, run = event.pod, before.run
        if pod is None or pod.ended or run is None or run.deleting or pod.owner != run.uid:
            return ""
        state = self._bridge.states.values[run.state]
        if (state is not None and (state.stop or state.paused_at)) or not self._is_named(before, pod):
            return ""
        return "P3: the pod of a task at work is ended, and no state says so"

    def _release(self, before: World, event: Event) -> str:
        pod, run = event.pod, before.run
        if pod is None or not pod.bound or run is None or run.deleting or before.unspaced:
            return ""  # a pod that never ran has no end
        return "the pod of a task is released whose end is not on record" if self._is_named(before, pod) else ""

    def _is_named(self, world: World, pod: Pod) -> bool:
        state = self._bridge.states.values[world.run.state] if world.run and world.run.uid == pod.owner else None
        agent = state.agents.get(pod.agent) if state else None
        return bool(agent and agent.task and agent.task.pod_uid == pod.uid)

    def saved(self, before: World, name: str, was: AgentState, agent: AgentState) -> str:
        """Return the rule that a save breaks about an agent's task, empty for none."""
        uid = was.task.pod_uid if was.task else ""
        if _is_overruled(agent):
            return "work whose verification has failed counts as done"
        if agent.task and agent.task.faults > self._config.free_limit:
            return f"P1: {agent.task.faults} tries of a task by nobody's fault"
        if uid and not (agent.task and agent.task.pod_uid == uid):
            pod = next((pod for pod in before.pods if pod.uid == uid), None)
            if pod and not pod.ended and not (pod.forced and pod.deleting):
                return "V3: the state moves on from the pod of a task that has not ended"
        if agent.verification and agent.verification != was.verification:
            return self._judged(before, name, was, agent, uid)
        if agent.published and agent.published != was.published and not _is_of(before, name, agent.published.attempt, PUBLISH, uid):
            return "V2: work counts as published without a pod of that attempt that is on record"
        return ""

    def _judged(self, before: World, name: str, was: AgentState, agent: AgentState, uid: str) -> str:
        assert agent.verification
        if agent.verification.result is VerificationResult.PASSED:
            good = _is_of(before, name, agent.verification.attempt, VERIFY, uid)
            return "" if good else "V1: work counts as verified without a pod of that attempt that is on record"
        pod = next((pod for pod in before.pods if pod.uid == uid), None)
        return "" if pod and pod.exit == Exit.CRASHED else "a disrupted verification counts as a failure of the work"

    def completed(self, before: World, old: OperatorState | None, new: OperatorState) -> str:
        """V1, and the same for publications: a Run completes only after the tasks of all its agents."""
        if new.stop is None or new.stop.phase is not Phase.COMPLETED or (old and old.stop):
            return ""
        for name, agent in new.agents.items():
            attempt = agent.outcome.attempt if agent.outcome else agent.attempt
            if missing := [task for task in self._config.tasks if not _has_passed(before, name, attempt, task)]:
                return f"V1: a Run completes without {missing[0]} of agent {name}"
        return ""


def _is_overruled(agent: AgentState) -> bool:
    """Whether an attempt counts as complete although its verification has failed."""
    found, outcome = agent.verification, agent.outcome
    if found is None or outcome is None or outcome.result is not OutcomeResult.COMPLETED:
        return False
    return found.result is VerificationResult.FAILED and found.attempt == outcome.attempt


def _has_passed(world: World, agent: str, attempt: int, task: str) -> bool:
    return any(mark[:3] == (agent, attempt, task) for mark in world.ghost.passed)


def _is_of(world: World, agent: str, attempt: int, task: str, uid: str) -> bool:
    """Whether the pod of this UID has ended well for this very attempt."""
    return any(mark[:3] == (agent, attempt, task) and mark[-1] == uid for mark in world.ghost.passed)


def _with(marks: tuple[tuple[Any, ...], ...], mark: tuple[Any, ...]) -> tuple[tuple[Any, ...], ...]:
    return tuple(sorted({*marks, mark}))
