"""The lean start of an agent's first attempt: one write less, since no save precedes it.

The pod is created with its gate. The gate is removed once the Run, read after the pod existed, still allows the start. The pod's
name belongs to the attempt, so no other pod can be created for the attempt while this one exists, and its finalizer keeps it until
its outcome is on record. So an ungated pod of the first attempt is the attempt's, although no saved state names it yet. Every pass
takes it for that, and the next save names it (docs/protocol.md).

Only the first attempt starts like this. A restart saves its reservation anyway, and the UID with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from controller.plan.actions import AdoptPod
from controller.plan.attempts.start_stop import starts_lean
from controller.plan.context import PlanContext
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, Snapshot
from controller.plan.transitions import apply

NONE: Mapping[str, PodFacts] = MappingProxyType({})


def started_pods(snapshot: Snapshot, now: datetime, known: Mapping[str, PodFacts] = NONE) -> dict[str, PodFacts]:
    """Return the started pods that no saved state names, by agent.

    `known` are those of earlier observations by this process: a pod whose finalizer was stripped may be gone since.
    """
    at = PlanContext(snapshot, now)
    if snapshot.run.gone or snapshot.state_refusal or _is_finished(at):
        return {}
    found = {agent.name: _started(at, agent.name) or known.get(agent.name) for agent in at.agents if starts_lean(at, agent.name)}
    return {agent: pod for agent, pod in found.items() if pod}


def adopted(snapshot: Snapshot, started: Mapping[str, PodFacts], now: datetime) -> Snapshot:
    """Return the snapshot with a state that names the started pods; what else it says is as saved."""
    for agent, pod in started.items():
        step = AdoptPod(reason=Reason.STARTING, agent=agent, attempt=pod.attempt, pod=pod.name, pod_uid=pod.uid)
        # The time is the pod's, so that every pass of every operator takes the same state for the next one.
        snapshot = replace(snapshot, state=apply(snapshot, step, pod.created_at or now))
    return snapshot


def _is_finished(at: PlanContext) -> bool:
    return at.state is not None and at.state.stop is not None and at.state.stop.completed_at is not None


def _started(at: PlanContext, agent: str) -> PodFacts | None:
    pod = at.named_pod(agent)
    return pod if pod and at.ours(pod) and not pod.gated else None
