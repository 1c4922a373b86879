"""The pods and reports that a live observation reads for a decision. Pure, so that the model check reads the same ones."""

from __future__ import annotations

from controller.api.names import pod_name
from controller.plan.snapshot import PodFacts, Snapshot


def expected_pod_names(snapshot: Snapshot) -> set[str]:
    """Return the names of pods that may exist: of each agent's attempt, and of the one before until this one has started.

    The pod of an attempt whose end is on record counts too: other containers of it may run on.
    """
    agents = snapshot.state.agents if snapshot.state else {}
    names = set()
    for name, agent in agents.items():
        names.add(pod_name(snapshot.run.name, name, agent.attempt))
        if agent.outcome is None and agent.attempt and not agent.pod_uid:
            names.add(pod_name(snapshot.run.name, name, agent.attempt - 1))
    return names


def reporting_agents(snapshot: Snapshot, pods: tuple[PodFacts, ...]) -> set[str]:
    """Return the agents whose pods have a reporter, and those whose pod is gone: only a report may show how these ended."""
    agents = snapshot.state.agents if snapshot.state else {}
    seen = {pod.uid for pod in pods}
    gone = {name for name, agent in agents.items() if agent.pod_uid and agent.outcome is None and agent.pod_uid not in seen}
    return gone | {pod.agent for pod in pods if pod.reporting}
