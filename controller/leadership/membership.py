"""The role of this process: it holds the single Lease, stands by for it, or acts for a share of the Runs.

With shards, a Run's key is filtered here before it reaches the work queue. A single leader acts for all Runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.policy_resolver import place_of, shard_key
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.leader_election import LeaderLease
from controller.kube.reflector import relist
from controller.kube.resources import RUNS
from controller.kube.workqueue import Handle
from controller.leadership.lease_observer import shared
from controller.leadership.rendezvous import shard_of
from controller.leadership.replica import ReplicaIdentity
from controller.leadership.shard_filter import Ownership
from controller.leadership.shard_manager import Hooks, ShardManager
from controller.leadership.shard_map import Mode
from controller.observability.metrics import Metrics

Add = Callable[[RunKey], None]
Leases = LeaderLease | ShardManager[RunKey]
"""The Leases to acquire before the first action: the single one, or those of shards."""


class Membership:
    """The membership of this process, which watches `namespaces`, or all if there are none.

    `add` and `defer` take the key of a Run of this process that is due now, or when its status may be written. `over` is called
    when the process must continue in another mode.
    """

    def __init__(
        self,
        namespaces: tuple[str, ...],
        mode: Mode,
        policy: PolicyFileWatcher,
        add: Add,
        over: Callable[[Mode], None],
        unreadable: Callable[..., None] = lambda *_: None,
        defer: Add | None = None,
    ) -> None:
        self._namespaces, self._mode, self._policy, self._over = namespaces, mode, policy, over
        self._ownership: Ownership[RunKey] = Ownership(self._route, add)
        self._leases: Leases | None = None
        self.notify = add if mode is Mode.ALONE else self._ownership.enqueue
        defer = defer or add
        self.cache = RunCache(self.notify, unreadable, defer if mode is Mode.ALONE else partial(self._ownership.enqueue, add=defer))

    def create_leases(self, client: Client, replica: ReplicaIdentity) -> Leases:
        """Return the Leases. They must be acquired before the first action, held all the time, and released at the end."""
        if self._mode is Mode.ALONE:
            self._leases = LeaderLease(
                client, replica.namespace, replica.lease, replica.identity, replica.timings, may=self._may_lead
            )
        else:
            hooks = Hooks(partial(self._list_runs, client), self._moved, self._over)
            self._leases = ShardManager(client, replica, self._ownership, hooks)
        return self._leases

    @property
    def leads(self) -> bool:
        """Whether this process acts for all Runs or for those of a shard."""
        return self._leases is not None and self._leases.is_leader

    @property
    def stands_by(self) -> bool:
        """Whether another process is known to lead instead."""
        return isinstance(self._leases, LeaderLease) and not self.leads and self._leases.another_leads

    @property
    def problem(self) -> str | None:
        """The reason why this process neither leads nor stands by; with shards, why it does not act for all of its shards."""
        if isinstance(self._leases, ShardManager):
            return self._leases.problem
        return None if self.leads or self.stands_by else "waiting for the lease: no process is known to renew it"

    def begin(self, handle: Handle[RunKey], drop: Add) -> Handle[RunKey]:
        """Report that the work can begin. Return a handler for this process's Runs. `drop` is called for each Run of others."""
        if not isinstance(self._leases, ShardManager):
            return handle
        self._ownership.drop = drop
        self._leases.begin()
        return self._ownership.wrap(handle)

    def owns(self, namespace: str) -> bool:
        """Whether this process acts for the providers of a namespace, and so for all of its Runs while it has any."""
        if not isinstance(self._leases, ShardManager):
            return self.leads
        place = place_of(self.cache, self._policy.current, namespace)
        return shard_of(place, self._ownership.shards) in self._ownership.acting

    def report_metrics(self, metrics: Metrics) -> None:
        """Set the metrics of leadership and shards."""
        metrics.leader.set(self.leads)
        if isinstance(self._leases, ShardManager):
            metrics.set_shards(*self._leases.standing)
        else:
            metrics.set_shards(1, 0, {0} if self.leads else ())

    def _may_lead(self, lease: JsonObject) -> bool:
        """Whether a single leader may act. If the Runs are sharded, request a restart in shared mode."""
        if shared(lease):
            self._over(Mode.SHARED)
            return False
        return True

    async def _list_runs(self, client: Client) -> None:
        """List all Runs again. The replicas that had them before have made their last writes, so the cache is current then."""
        for namespace in self._namespaces or (None,):
            await relist(client, RUNS, namespace, self.cache.runs)

    def _moved(self, shards: frozenset[int]) -> None:
        """Enqueue all Runs of these shards, or drop them if they are no longer ours."""
        for key in self.cache.known():
            if self._ownership.shard(key) in shards:
                self._ownership.enqueue(key)

    def _route(self, key: RunKey) -> str:
        return shard_key(self.cache, self._policy.current, key)
