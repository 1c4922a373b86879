"""Holds the operator's Lease during work on its stores, so that no operator acts meanwhile."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import ApiError
from controller.kube.leader_election import LeaderLease, LeaseTimings
from controller.kube.resources import LEASES
from controller.leadership.lease_observer import OUTSIDE
from controller.leadership.lease_registry import LeaseRegistry

T = TypeVar("T")


class OperatorRuns(RunwatchmanError):
    """Another process holds the Lease: an operator is running."""


async def run_exclusively(
    client: Client, namespace: str, name: str, timeout: float, work: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    """Do some work while holding the Lease, and release it afterwards. The work is cancelled if the Lease is lost.

    Raises OperatorRuns if the Lease could not be acquired in `timeout` seconds, LeaseLost if it was lost.
    """
    identity = f"{socket.gethostname()}_{os.getpid()}_store_{uuid.uuid4().hex[:8]}"
    lease = LeaderLease(client, namespace, name, identity, LeaseTimings(), notes=OUTSIDE)
    try:
        await _take(client, lease, namespace, name, timeout)
        return await _while_held(lease, asyncio.create_task(work()))
    finally:
        await lease.release()


async def _while_held(lease: LeaderLease, task: asyncio.Task[T]) -> T:
    holding = asyncio.create_task(lease.hold())
    try:
        await asyncio.wait([task, holding], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await holding  # Raises LeaseLost.
        return await task
    finally:
        for one in (task, holding):
            one.cancel()
        await asyncio.wait([task, holding])


async def lease_namespace(client: Client, name: str, default: str) -> str:
    """Return the namespace of the operator's Lease, because this process may run outside of its pod.

    Raises OperatorRuns if there are several.
    """
    try:
        leases = (await client.list_all(LEASES)).items
    except ApiError:
        return default
    namespaces = sorted(lease["metadata"]["namespace"] for lease in leases if lease["metadata"]["name"] == name)
    if len(namespaces) > 1:
        raise OperatorRuns(f"there are Leases {name!r} in the namespaces {', '.join(namespaces)}: choose with --lease-namespace")
    return namespaces[0] if namespaces else default


async def _take(client: Client, lease: LeaderLease, namespace: str, name: str, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await lease.acquire()
            await _until_idle(client, lease, namespace, name)
    except TimeoutError:
        raise OperatorRuns(
            f"the Lease {namespace}/{name} was not free within {timeout:g} s: an operator is running; scale it down "
            "(kubectl scale deployment/runwatchman --replicas=0) and run this again"
        ) from None


async def _until_idle(client: Client, lease: LeaderLease, namespace: str, name: str) -> None:
    """Wait until no other shard is held. While this process holds the first shard's Lease, no replica begins to act for a shard."""
    registry = LeaseRegistry(client, namespace, name)
    while len((await registry.look()).claims) > 1:
        await asyncio.sleep(LeaseTimings().retry_period)
        await lease.take()
