"""The pods, reports and Events that an observation reads for a decision. Pure, so that the model check reads the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.api.names import pod_name, task_pod_name
from controller.api.operator_state import AgentState, OutcomeResult
from controller.api.run import DesiredState
from controller.plan.context import NO_STATE, PlanContext
from controller.plan.reasons import Reason
from controller.plan.rules import agent_rules
from controller.plan.snapshot import PodFacts, Snapshot
from controller.plan.tasks import due


def expected_pod_names(snapshot: Snapshot) -> set[str]:
    """Return the names of pods that may exist: of each agent's attempt, and of the one before until this one has started.

    The pod of an attempt whose end is on record counts too: other containers of it may run on. So does the pod of a first attempt
    that no state names: it may have been started. A Run without a state that is to run is the exception, since only a creation can
    follow for it, and that finds the pod.
    """
    names = set()
    for name, agent in _known_agents(snapshot).items():
        names.add(pod_name(snapshot.run.name, name, agent.attempt))
        names.update(_task_pod_names(snapshot, name, agent))
        if agent.outcome is None and agent.attempt and not agent.pod_uid:
            names.add(pod_name(snapshot.run.name, name, agent.attempt - 1))
    return names


def _task_pod_names(snapshot: Snapshot, name: str, agent: AgentState) -> Iterator[str]:
    """Yield the name of the pod that the agent's task may have."""
    spec = next((each for each in snapshot.run.spec.agents if each.name == name), None) if snapshot.run.spec else None
    done = agent.outcome is not None and agent.outcome.result is OutcomeResult.COMPLETED
    kind = agent.task.kind if agent.task else due.next_task(spec, agent) if spec and done else None
    if kind:
        number = agent.task.number if agent.task else 0
        yield task_pod_name(snapshot.run.name, name, due.attempt_of(agent), kind, number)


def final_pods(snapshot: Snapshot) -> tuple[PodFacts, ...]:
    """Return those of the snapshot's cached pods that need no live read, since their facts are final.

    Such a pod has terminated, and a pod of that UID never runs again. One that is deleted after it was cached counts as it ended.
    A pod that is being deleted is read: it may have to be released.
    """
    ours = (pod for pod in snapshot.pods if pod.run_uid == snapshot.run.uid)
    return tuple(pod for pod in ours if pod.phase in ENDED and not pod.deleting)


ENDED = ("Succeeded", "Failed")
"""The phases of a pod that has terminated."""


def _known_agents(snapshot: Snapshot) -> dict[str, AgentState]:
    """Return the states of all agents that may have a pod."""
    spec, saved = snapshot.run.spec, snapshot.state.agents if snapshot.state else {}
    if spec is None or (snapshot.state is None and spec.desired_state is DesiredState.RUNNING and snapshot.halt is None):
        return saved
    return {agent.name: NO_STATE for agent in spec.agents} | saved


def reporting_agents(snapshot: Snapshot, pods: tuple[PodFacts, ...]) -> set[str]:
    """Return the agents whose pods have a reporter, and those whose pod is gone: only a report may show how these ended."""
    agents = snapshot.state.agents if snapshot.state else {}
    seen = {pod.uid for pod in pods}
    gone = {name for name, agent in agents.items() if agent.pod_uid and agent.outcome is None and agent.pod_uid not in seen}
    return gone | {pod.agent for pod in pods if pod.reporting}


def stalled_starts(snapshot: Snapshot, now: datetime) -> tuple[PodFacts, ...]:
    """Return the bound pods that are about to be escalated, or are escalated, because they do not start.

    Their causes are in Events, which are read for nothing else. An unbound pod has the scheduler's words in its conditions.
    """
    if not any(pod.bound and pod.phase == "Pending" for pod in snapshot.pods) or snapshot.state_refusal:
        return ()
    at = PlanContext(snapshot, now)
    ended = snapshot.run.gone or (at.state is not None and (at.state.stop is not None or at.state.paused_at is not None))
    blocks = () if ended else (agent_rules.judge(at, agent).block for agent in at.required)
    stalled = {block.agent for block in blocks if block and block.reason is Reason.PENDING_STALLED}
    pods = (at.task_pod(agent) or at.own_pod(agent) for agent in sorted(stalled))
    return tuple(pod for pod in pods if pod and pod.bound)
