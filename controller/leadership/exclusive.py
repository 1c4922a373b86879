"""Holding the operator's Lease while its stores are worked on, so that no operator acts meanwhile."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from controller.errors import RunwardenError
from controller.kube.client import Client
from controller.kube.errors import ApiError
from controller.kube.leader_election import LeaderLease, LeaseTimings
from controller.kube.resources import LEASES
from controller.leadership.lease_observer import OUTSIDE
from controller.leadership.lease_registry import LeaseRegistry

T = TypeVar("T")


class OperatorRuns(RunwardenError):
    """The Lease is another's: an operator runs."""


async def run_exclusively(
    client: Client, namespace: str, name: str, timeout: float, work: Callable[[], Coroutine[Any, Any, T]]
) -> T:
    """Do some work while holding the Lease, which is given up at the end; work is ended where the Lease is lost.

    Raises OperatorRuns where it could not be had in `timeout` seconds, LeaseLost where it was lost.
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
    """Return where the operator's Lease is: we may run outside of its pod. Raises OperatorRuns where that is not clear."""
    try:
        leases = (await client.list_all(LEASES)).items
    except ApiError:
        return default
    found = sorted(lease["metadata"]["namespace"] for lease in leases if lease["metadata"]["name"] == name)
    if len(found) > 1:
        raise OperatorRuns(f"there are Leases {name!r} in the namespaces {', '.join(found)}: choose with --lease-namespace")
    return found[0] if found else default


async def _take(client: Client, lease: LeaderLease, namespace: str, name: str, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await lease.acquire()
            await _until_idle(client, lease, namespace, name)
    except TimeoutError:
        raise OperatorRuns(
            f"the Lease {namespace}/{name} was not to be had in {timeout:g} s: an operator runs; scale it down "
            "(kubectl scale deployment/runwarden --replicas=0) and run this again"
        ) from None


async def _until_idle(client: Client, lease: LeaderLease, namespace: str, name: str) -> None:
    """Return when no other shard is held: while the first shard's Lease is ours, nobody begins to act for one."""
    board = LeaseRegistry(client, namespace, name)
    while len((await board.look()).claims) > 1:
        await asyncio.sleep(LeaseTimings().retry_period)
        await lease.take()
