"""The Events about a pod that does not start, on a real API server and with the rights of the operator's own role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.connection import connect
from controller.kube.resources import EVENTS, Resource
from controller.plan import plan
from controller.plan.snapshot import PodEvents
from controller.reconcile.node_lookup import NodeLookup
from controller.reconcile.start_obstacles import UNREAD_FORBIDDEN, StartObstacles
from tests import users
from tests.cluster import Cluster
from tests.unit.test_pod_events import does_not_start

KUBELET = 'MountVolume.SetUp failed for volume "ssh" : secret "deploy-key" not found'
OLD, NEW = "2026-01-01T11:00:00Z", "2026-01-01T11:30:00.000000Z"
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
"""The newer API of the same objects."""


def core_event(namespace: str, name: str, message: str, uid: str = "u0") -> JsonObject:
    """Return an Event as a kubelet posts it."""
    about = {"kind": "Pod", "apiVersion": "v1", "name": "demo-coder-r0", "namespace": namespace, "uid": uid}
    texts = {"type": "Warning", "reason": "FailedMount", "message": message, "source": {"component": "kubelet"}}
    return {"metadata": {"name": name}, "involvedObject": about, "firstTimestamp": OLD, "lastTimestamp": OLD, **texts}


def series_event(namespace: str, name: str, note: str) -> JsonObject:
    """Return an Event as clients of events.k8s.io post it; in core/v1 it has no lastTimestamp."""
    about = {"kind": "Pod", "apiVersion": "v1", "name": "demo-coder-r0", "namespace": namespace, "uid": "u0"}
    times = {"eventTime": NEW, "series": {"count": 9, "lastObservedTime": NEW}}
    who = {"reportingController": "kubelet", "reportingInstance": "n1", "action": "Mount"}
    return {
        "metadata": {"name": name},
        "regarding": about,
        "type": "Warning",
        "reason": "FailedAttachVolume",
        "note": note,
        **times,
        **who,
    }


@pytest.fixture
async def events(client: Client, namespace: str) -> None:
    """An Event of each API about the pod, and one about another pod."""
    await client.create(EVENTS, namespace, core_event(namespace, "old", KUBELET))
    await client.create(EVENTS, namespace, core_event(namespace, "other", "of another pod", uid="u1"))
    await client.create(NEW_EVENTS, namespace, series_event(namespace, "new", "the disk is elsewhere"))


@asynccontextmanager
async def operator(cluster: Cluster, namespace: str, *, allowed: bool) -> AsyncIterator[Client]:
    """The client of an operator that watches one namespace, with or without its role."""
    cluster.kubectl("-n", namespace, "create", "serviceaccount", "operator")
    if allowed:
        users.grant(cluster, namespace, "runwatchman-operator", f"--serviceaccount={namespace}:operator")
    async with Client(await connect(users.account(cluster, namespace, "operator").kubeconfig)) as opened:
        yield opened


async def looked_at(client: Client, namespace: str) -> tuple[PodEvents, str]:
    """Return the facts about the pod's Events, and the message of the plan that follows."""
    found = await StartObstacles(client, NodeLookup(client)).explained(does_not_start(namespace, client.server_now()))
    return found.pod_events[0], plan(found, client.server_now()).verdict.message


@pytest.mark.usefixtures("events")
async def test_the_newest_warnings_of_the_pod_are_read(api_cluster: Cluster, namespace: str) -> None:
    """The operator's role permits the read in its namespace; Events of both APIs are found by the pod's UID, the newest first."""
    async with operator(api_cluster, namespace, allowed=True) as client:
        found, message = await looked_at(client, namespace)
    assert [warning.message for warning in found.warnings] == ["the disk is elsewhere", KUBELET]
    assert f"its newest Events: FailedAttachVolume: the disk is elsewhere; FailedMount: {KUBELET}" in message


@pytest.mark.usefixtures("events")
async def test_an_operator_without_the_right_escalates_without_a_cause(api_cluster: Cluster, namespace: str) -> None:
    """With an older role the pod is escalated too, and the message names the missing right."""
    async with operator(api_cluster, namespace, allowed=False) as client:
        found, message = await looked_at(client, namespace)
    assert found.unread == UNREAD_FORBIDDEN
    assert UNREAD_FORBIDDEN in message
