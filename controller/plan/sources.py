"""The clone in an agent's workspace, as its pods have reported it."""

from __future__ import annotations

from controller.api.operator_state import AgentState
from controller.api.source import SourceStatus
from controller.plan.snapshot import PodFacts


def source_of(agent: AgentState, pod: PodFacts | None) -> SourceStatus | None:
    """Return the clone that is on record, else the one of the agent's pod.

    The first report counts: at later attempts the agent has had the workspace and could have changed what is found there.
    """
    if agent.source is not None or pod is None or not pod.source_revision:
        return agent.source
    return SourceStatus(revision=pod.source_revision)
