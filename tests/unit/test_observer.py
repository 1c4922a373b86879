"""The agents whose reports an observation reads."""

from __future__ import annotations

import pytest

from controller.api.run_status import AgentState, OperatorState, Outcome, OutcomeResult
from controller.plan.reads import reporting_agents
from controller.plan.snapshot import PodFacts, RunFacts, Snapshot

ENDED = Outcome(attempt=0, result=OutcomeResult.COMPLETED, reason="ResultReported")


@pytest.mark.parametrize(
    ("agent", "pods", "read"),
    [
        (AgentState(pod_uid="c0"), (PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", reporting=True),), True),
        (AgentState(pod_uid="c0"), (PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1"),), False),
        (AgentState(pod_uid="c0"), (), True),
        (AgentState(pod_uid="c0", outcome=ENDED), (), False),
        (AgentState(), (), False),
    ],
    ids=["with a reporter", "without one", "its pod is gone", "its end is on record", "not started"],
)
def test_the_report_of_a_pod_that_is_gone_is_read_too(agent: AgentState, pods: tuple[PodFacts, ...], read: bool) -> None:
    """If no pod shows how an attempt ended, its report is read even if no cache has it; otherwise a read would be useless."""
    state = OperatorState(run_uid="run-1", agents={"coder": agent})
    snapshot = Snapshot(RunFacts("ns", "demo", "run-1", 1, None), state=state)
    assert reporting_agents(snapshot, pods) == ({"coder"} if read else set())
