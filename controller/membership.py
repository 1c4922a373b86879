"""How this process takes part: it has the one Lease, stands by for it, or acts for a share of the Runs (`sharding/`).

The caches are asked here whose a Run is, before the work queue hears of it. As the only one at a time, every Run is ours.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from functools import partial

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cluster.client import Client
from controller.cluster.lease import LeaderLease, LeaseTimings
from controller.cluster.reflector import relist
from controller.cluster.resources import RUNS
from controller.inventory import Inventory
from controller.metrics import Metrics
from controller.policy_source import PolicySource
from controller.resolving import route
from controller.settings import Settings
from controller.sharding.layout import Mode
from controller.sharding.lookout import shared
from controller.sharding.ownership import Ownership
from controller.sharding.seat import Seat
from controller.sharding.shards import Hooks, Shards
from controller.workqueue import Handle

Add = Callable[[RunKey], None]
Leases = LeaderLease | Shards[RunKey]
"""What is taken before the first act: the one Lease, or a share of several."""


class Membership:
    """The part of this process in the work; `add` is the work queue's, `over` hears when it has to go on in another mode."""

    def __init__(
        self,
        told: Settings,
        mode: Mode,
        policy: PolicySource,
        add: Add,
        over: Callable[[Mode], None],
        unreadable: Callable[..., None] = lambda *_: None,
    ) -> None:
        self._told, self._mode, self._policy, self._over = told, mode, policy, over
        self._ownership: Ownership[RunKey] = Ownership(self._route, add)
        self._leases: Leases | None = None
        self.notify = add if mode is Mode.ALONE else self._ownership.put
        self.inventory = Inventory(self.notify, unreadable)

    def contend(self, client: Client, own_namespace: str) -> Leases:
        """Return what has to be acquired before the first act, held all along, and released."""
        told = self._told
        timings = LeaseTimings(told.lease_duration, told.lease_renew_deadline, told.lease_retry_period)
        identity = told.identity or f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        namespace = told.lease_namespace or own_namespace
        if self._mode is Mode.ALONE:
            self._leases = LeaderLease(client, namespace, told.lease_name, identity, timings, may=self._may_lead)
        else:
            seat = Seat(namespace, told.lease_name, identity, timings, told.shards)
            hooks = Hooks(partial(self._list_runs, client), self._moved, self._over)
            self._leases = Shards(client, seat, self._ownership, hooks)
        return self._leases

    @property
    def leads(self) -> bool:
        """Whether it acts for all Runs, or for those of a shard."""
        return self._leases is not None and self._leases.is_leader

    @property
    def stands_by(self) -> bool:
        """Whether another is seen to lead in this one's place."""
        return isinstance(self._leases, LeaderLease) and not self.leads and self._leases.another_leads

    @property
    def problem(self) -> str | None:
        """Why it neither leads nor stands by; with shards, why it does not act for all that are due to it."""
        if isinstance(self._leases, Shards):
            return self._leases.problem
        return None if self.leads or self.stands_by else "waiting for the lease: nobody is seen to renew it"

    def begin(self, handle: Handle[RunKey], let_go: Add) -> Handle[RunKey]:
        """Say that the work can begin; return the handler of those Runs that are ours. `let_go` hears of each that is not."""
        if not isinstance(self._leases, Shards):
            return handle
        self._ownership.let_go = let_go
        self._leases.begin()
        return self._ownership.guard(handle)

    def tell(self, metrics: Metrics) -> None:
        """Tell the metrics what this process acts for."""
        metrics.leader.set(self.leads)
        if isinstance(self._leases, Shards):
            metrics.tell_shards(*self._leases.standing)
        else:
            metrics.tell_shards(1, 0, {0} if self.leads else ())

    def _may_lead(self, lease: JsonObject) -> bool:
        """Whether the Runs are one operator's; where they have been shared out, go on as one of several."""
        if shared(lease):
            self._over(Mode.SHARED)
            return False
        return True

    async def _list_runs(self, client: Client) -> None:
        """Know of every Run as it is now: whoever worked on them before has written its last by then."""
        for namespace in self._told.namespaces or (None,):
            await relist(client, RUNS, namespace, self.inventory.runs)

    def _moved(self, shards: frozenset[int]) -> None:
        """Look at every Run of these shards, or let it go."""
        for key in self.inventory.known():
            if self._ownership.shard(key) in shards:
                self._ownership.put(key)

    def _route(self, key: RunKey) -> str:
        return route(self.inventory, self._policy.current, key)
