"""What the operator's creations and effects do to the simulated cluster: what the API server and the kubelet would answer."""

from __future__ import annotations

from dataclasses import replace

from controller.api.escalation import EscalationPhase, EscalationType
from controller.api.names import FINALIZER_OUTCOME
from controller.plan.actions import (
    Consult,
    CreateEscalation,
    CreatePod,
    Creation,
    DeletePod,
    DeliverAnswer,
    Effect,
    RemoveFinalizer,
    SetEscalationPhase,
    Terminate,
    Ungate,
)
from controller.plan.escalations.created import created
from controller.plan.snapshot import EscalationFacts, PodFacts, RunFacts
from controller.simulation.account import Account
from controller.simulation.cluster import Cluster
from controller.simulation.people import Key

NODE, CONTAINER = "node", "agent"


class NotSimulated(Exception):
    """A step on what no simulated Run has: a claim, a task, a time to live. It is an error of the plan."""


def perform(cluster: Cluster, run: RunFacts, action: Creation | Effect) -> None:
    """Carry out one step. Claims, tasks and the deletion of Runs are not simulated: no plan for such a Run contains them."""
    cluster.account.note(cluster.now, f"{action.step} {action.attempt}: {action.reason}")
    match action:
        case CreatePod():
            _create_pod(cluster, run, action)
        case CreateEscalation():
            _create_escalation(cluster, run, action)
        case Ungate():
            _ungate(cluster, action)
        case Terminate():
            _terminate(cluster, action)
        case DeletePod():
            _delete_pod(cluster, action)
        case RemoveFinalizer():
            _release(cluster, action)
        case DeliverAnswer():
            _deliver(cluster, action)
        case Consult():
            cluster.consult(action)
        case SetEscalationPhase():
            _set_phase(cluster, action)
        case _:
            raise NotSimulated(f"no plan for a simulated Run contains {action.step}")


def _create_pod(cluster: Cluster, run: RunFacts, action: CreatePod) -> None:
    cluster.pods[action.pod] = PodFacts(
        name=action.pod,
        uid=f"{run.uid}-{action.attempt}",
        agent=action.agent,
        attempt=action.attempt,
        run_uid=run.uid,
        gated=True,
        created_at=cluster.clock.stamp(cluster.now),
        finalizers=(FINALIZER_OUTCOME,),
        container=CONTAINER,
        reporting=cluster.reporting,
    )


def _ungate(cluster: Cluster, action: Ungate) -> None:
    """Remove the gate: the pod is bound at once, and its containers start in their time."""
    stamp = cluster.clock.stamp(cluster.now)
    pod = replace(cluster.pods[action.pod], gated=False, bound=True, node=NODE, scheduled_at=stamp)
    cluster.pods[pod.name] = pod
    cluster.begin_life(pod)


def _terminate(cluster: Cluster, action: Terminate) -> None:
    cluster.pods[action.pod] = replace(cluster.pods[action.pod], ending_since=cluster.clock.stamp(cluster.now))
    _end(cluster, action.pod)


def _delete_pod(cluster: Cluster, action: DeletePod) -> None:
    pod, stamp = cluster.pods[action.pod], cluster.clock.stamp(cluster.now)
    cluster.pods[pod.name] = replace(pod, deleting=True, deleted_at=stamp, deletion_grace_seconds=action.grace_seconds)
    _end(cluster, pod.name)


def _end(cluster: Cluster, pod: str) -> None:
    if cluster.life is not None and cluster.life.pod == pod:
        cluster.life.end()


def _release(cluster: Cluster, action: RemoveFinalizer) -> None:
    """Remove the finalizer; a deleted pod that has ended is gone then."""
    pod = replace(cluster.pods[action.pod], finalizers=())
    if pod.deleting and pod.terminated:
        del cluster.pods[pod.name]
    else:
        cluster.pods[pod.name] = pod


def _create_escalation(cluster: Cluster, run: RunFacts, action: CreateEscalation) -> None:
    escalation = created(action, run.uid)
    cluster.escalations[escalation.name] = escalation
    count(cluster.account, escalation.type)
    cluster.ask_people(escalation, key_of(escalation, action.reason))


def key_of(escalation: EscalationFacts, reason: str) -> Key:
    """Return what an escalation is about, by which people answer it."""
    return escalation.type, escalation.question or f"{escalation.attempt} {reason}"


def count(account: Account, kind: EscalationType) -> None:
    """Count an escalation."""
    account.questions += kind is EscalationType.QUESTION
    account.approvals += kind is EscalationType.APPROVAL
    account.blocks += kind is EscalationType.BLOCKED


def _set_phase(cluster: Cluster, action: SetEscalationPhase) -> None:
    changed = replace(cluster.escalations[action.escalation], phase=action.escalation_phase)
    if action.escalation_phase is EscalationPhase.DELIVERED:
        changed = replace(changed, delivered_at=cluster.clock.stamp(cluster.now))
    cluster.escalations[action.escalation] = changed


def _deliver(cluster: Cluster, action: DeliverAnswer) -> None:
    if cluster.report is not None:
        others = tuple(question for question in cluster.report.deliveries if question != action.question)
        cluster.report = replace(cluster.report, deliveries=(*others, action.question))
        cluster.hand_over(action.question)
