"""Leader election on a coordination.k8s.io Lease, with client-go's semantics.

`kubernetes.aio.leaderelection` never releases its Lease and relies on the wall clock: after every clean shutdown a successor would
wait for the full lease duration. This implementation empties `holderIdentity` on release and uses the monotonic clock alone.
https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import structlog

from controller.api.base import JsonObject
from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import ApiError, Conflict, NotFound
from controller.kube.lease_observation import LeaseObservation
from controller.kube.resources import LEASES

log = structlog.get_logger(__name__)

JITTER = 1.2
"""client-go's jitter factor: a retry comes after 1.0 to 1.2 retry periods."""


RELEASE_TRIES = 3
"""How often the release is tried if other writers cause conflicts."""


class LeaseLost(RunwatchmanError):
    """Another operator may hold the Lease now: stop acting at once."""


@dataclass(frozen=True, slots=True)
class LeaseTimings:
    """Seconds; the defaults are client-go's."""

    duration: float = 15
    renew_deadline: float = 10
    retry_period: float = 2

    def __post_init__(self) -> None:
        """Refuse timings that would allow two leaders at once."""
        if not self.duration > self.renew_deadline > self.retry_period * JITTER > 0:
            raise RunwatchmanError(
                f"lease timings must satisfy duration > renew deadline > {JITTER} x retry period > 0, but are "
                f"{self.duration}, {self.renew_deadline}, {self.retry_period}"
            )


class LeaderLease:
    """One candidate for one Lease.

    `notes` are written as annotations with every renewal. `may` gets each version that is read, and returns whether a Lease that is
    not ours yet may be taken.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        timings: LeaseTimings,
        *,
        notes: Mapping[str, str] = MappingProxyType({}),
        may: Callable[[JsonObject], bool] = lambda _: True,
    ) -> None:
        self._client, self._namespace, self._name = client, namespace, name
        self._identity, self._timings = identity, timings
        self._notes, self._may = notes, may
        self._seen = LeaseObservation()
        self._renewed_at = 0.0
        self._turn = asyncio.Lock()
        self._leaving = False
        self._may_hold = False
        self.is_leader = False

    @property
    def another_leads(self) -> bool:
        """Whether another replica was recently seen to renew the Lease. A standby replica then has nothing left to wait for."""
        return self._seen.renewed and self._seen.holder != self._identity and not self._seen.expired_by(time.monotonic())

    async def take(self) -> bool:
        """Take the Lease if it is free or expired; return whether it was taken. Raises ApiError."""
        self._leaving = False
        if await self._try():
            log.info("lease acquired", lease=self._name, identity=self._identity)
            return True
        return False

    async def acquire(self) -> None:
        """Return when the Lease is ours. Until then, retry after every answer and every error of the API server."""
        while True:
            try:
                if await self.take():
                    return
            except ApiError as error:
                log.warning("cannot acquire the lease, trying again", lease=self._name, error=str(error))
            await asyncio.sleep(self._timings.retry_period * random.uniform(1.0, JITTER))  # noqa: S311  # spreads contenders

    async def hold(self) -> None:
        """Renew until released. Raises LeaseLost if the Lease could not be renewed in time or another replica holds it."""
        while True:
            await asyncio.sleep(self._timings.retry_period)
            async with self._turn:
                if not self.is_leader:
                    return  # released
                await self._renew()

    async def release(self) -> None:
        """Release the Lease, so that a successor can take it at once; returns within the renew deadline.

        It does nothing if no write of ours can have taken the Lease. A write without a response may have taken it, so that case is
        checked.
        """
        if not self._may_hold:
            return
        self._leaving, self._may_hold, self.is_leader = True, False, False
        try:
            # Wait for a renewal in flight: it would take the Lease again, or make this write a Conflict.
            async with asyncio.timeout(self._timings.renew_deadline), self._turn:
                await self._give_up()
        except (ApiError, TimeoutError) as error:
            log.warning("lease not released, it will expire", lease=self._name, error=str(error) or "no answer in time")

    async def _renew(self) -> None:
        """Try to renew once; an error is retried until the deadline. Raises LeaseLost."""
        why = "other writers keep changing it"
        left = self._timings.renew_deadline - (time.monotonic() - self._renewed_at)
        try:
            # Half of the deadline, as in client-go: after one request on a dead connection there is time for another.
            async with asyncio.timeout(min(left, self._timings.renew_deadline / 2)):
                if await self._try():
                    return
        except (ApiError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            log.warning("lease not renewed, trying again", lease=self._name, error=why)
        if self._leaving:
            return
        if not self.is_leader:
            self._lose("another holds it")
        if time.monotonic() - self._renewed_at >= self._timings.renew_deadline:
            self._lose(f"it could not be renewed in {self._timings.renew_deadline:g} s: {why}")

    async def _give_up(self) -> None:
        for _ in range(RELEASE_TRIES):
            lease = await self._client.get(LEASES, self._namespace, self._name)
            if lease["spec"].get("holderIdentity") != self._identity:
                return
            lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            with suppress(Conflict):
                await self._client.replace(LEASES, self._namespace, self._name, lease)
                return

    def _lose(self, why: str) -> None:
        self.is_leader = False
        raise LeaseLost(f"lease {self._namespace}/{self._name} lost: {why}")

    async def _try(self) -> bool:
        """Take or renew the Lease by compare-and-swap; return whether that succeeded. If another replica holds it, we no longer
        lead.
        """
        asked = time.monotonic()
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
        except NotFound:
            written = self._create()
        else:
            if not self._may_take(lease):
                self._may_hold = self.is_leader = False
                return False
            written = self._client.replace(LEASES, self._namespace, self._name, self._renewed(lease))
        self._may_hold = not self._leaving
        try:
            await written
        except Conflict:
            return False
        self._renewed_at, self.is_leader = asked, not self._leaving
        return True

    def _may_take(self, lease: JsonObject) -> bool:
        """Whether the Lease is ours, or is free or expired and may be taken."""
        self.observe(lease)
        allowed, free = self._may(lease), not self._seen.holder or self._seen.expired_by(time.monotonic())
        return self._seen.holder == self._identity or (allowed and free)

    def observe(self, lease: JsonObject) -> None:
        """Record a version that was read, here or elsewhere: how long it stays unchanged shows whether its holder is alive."""
        duration = lease["spec"].get("leaseDurationSeconds", self._timings.duration)
        self._seen = self._seen.followed(lease, time.monotonic(), duration)

    async def _create(self) -> JsonObject:
        now = _micro(self._client.server_now())
        spec = self._spec(now) | {"acquireTime": now, "leaseTransitions": 0}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name} | ({"annotations": dict(self._notes)} if self._notes else {}),
            "spec": spec,
        }
        return await self._client.create(LEASES, self._namespace, body)

    def _renewed(self, lease: JsonObject) -> JsonObject:
        now = _micro(self._client.server_now())
        spec = lease["spec"] | self._spec(now)
        if lease["spec"].get("holderIdentity") != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": lease["spec"].get("leaseTransitions", 0) + 1}
        if not self._notes:
            return {**lease, "spec": spec}
        noted = {**(lease["metadata"].get("annotations") or {}), **self._notes}
        return {**lease, "metadata": {**lease["metadata"], "annotations": noted}, "spec": spec}

    def _spec(self, now: str) -> JsonObject:
        seconds = max(1, round(self._timings.duration))
        return {"holderIdentity": self._identity, "leaseDurationSeconds": seconds, "renewTime": now}


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
