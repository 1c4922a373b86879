"""The composition root: makes every part, starts them in order, and stops them in order.

Lease first, then the caches, then the first act. A lost Lease or a dead watcher ends the process: its successor starts clean.
With `--shards` the caches come before the shards' Leases, so that these are handed over warm; see `membership.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from operator import attrgetter

import structlog

from controller.api.escalation import EscalationType
from controller.api.names import LABEL_RUN_UID, RunKey
from controller.api.policy import NetworkMode
from controller.api.policy_defaults import PolicyDefaults
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.unreadable import UnreadableObjects
from controller.kube import kopf_watch
from controller.kube.client import Client
from controller.kube.connection import Connection, connect
from controller.kube.reflector import Reflector
from controller.kube.resources import AGENT_REPORTS, CLUSTER_HALTS, HALTS, PODS, PROVIDERS
from controller.kube.workqueue import WorkQueue, run_workers
from controller.leadership.membership import Leases, Membership
from controller.leadership.shard_map import Mode
from controller.ledger.entry import MEGABYTE, Limits
from controller.ledger.recorder import Recorder
from controller.ledger.situations import Situations
from controller.notify.message import discard
from controller.notify.notifier import Notifier
from controller.notify.sender_process import Senders
from controller.observability.health import Checks, Pulse, unless
from controller.observability.metrics import Metrics
from controller.observability.provider_metrics import SeenProvider
from controller.reconcile.actions import Tools
from controller.reconcile.budget_keeper import BudgetKeeper
from controller.reconcile.deferral import Deferral
from controller.reconcile.error_policy import error_policy
from controller.reconcile.observer import Observer
from controller.reconcile.provider_writer import SHUT, ProviderWriter
from controller.reconcile.reconciler import Reconciler
from controller.reconcile.status_throttle import StatusThrottle
from controller.resources.network_policy_builder import AgentsNetwork
from controller.resources.reporter_sidecar import Sidecar
from controller.runtime.advisor_factory import load_commands, open_advisor
from controller.runtime.instrumented_store import InstrumentedStore
from controller.runtime.lifecycle import Lifecycle
from controller.runtime.own_identity import own_identity
from controller.runtime.own_image import reporter_image
from controller.runtime.ports import Ports
from controller.runtime.resync import Resync
from controller.settings import Settings
from controller.store.factory import make_store

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 20.0
"""Time for running reconciles to finish at the end; less than Kubernetes' default grace period of 30 s."""


class Operator:
    """One operator process."""

    def __init__(self, settings: Settings, mode: Mode = Mode.ALONE) -> None:
        self._settings = settings
        self._life = Lifecycle()
        self._metrics = Metrics()
        self._policy = PolicyFileWatcher(settings.policy_file)
        self._commands = load_commands(settings)
        self._queue: WorkQueue[RunKey] = WorkQueue(waited=self._metrics.queue_latency.observe, tenant=attrgetter("namespace"))
        unreadable = UnreadableObjects(self._metrics.count_unreadable)
        add, over = self._queue.add, self._life.restart_in
        self._membership = Membership(settings.namespaces, mode, self._policy, add, over, unreadable, defer=self._defer)
        self._cache, self._throttle = self._membership.cache, StatusThrottle()
        self._deferral = Deferral(self._cache, self._policy, self._throttle)
        self._kopf_ready = asyncio.Event()
        self._pulse = Pulse()
        self._store: InstrumentedStore | None = None
        self._notifier: Notifier | None = None
        self._reporter_image: str | None = None
        self._synced = False

    async def run(self) -> Mode | None:
        """Run until SIGTERM or SIGINT, and return None; or until the shards change, and return how to go on, with a new Operator.

        Raises RunwatchmanError (or a group of them) when the operator cannot go on: no credentials, a lost Lease, a dead watcher.
        """
        self._life.catch_signals()
        connection = await connect(self._settings.kubeconfig)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(connection, self._metrics.observe_request))
            self._notifier = await self._open_notifier(stack, client)
            self._store = store = InstrumentedStore(make_store(self._settings.store, client), self._metrics)
            stack.push_async_callback(store.close)
            replica = own_identity(self._settings, connection.namespace)
            leases = self._membership.create_leases(client, replica)
            await Ports(self._settings, self._metrics, self._pulse).open(
                stack, client, self._readiness(), partial(self._refresh, client)
            )
            stack.callback(asyncio.create_task(self._pulse.keep(), name="pulse").cancel)
            try:
                if await self._life.unless_stopped(self._prepare(client, replica.namespace, leases)):
                    await self._supervise(client, connection, leases, store)
            finally:
                self._synced = False
                await leases.release()
                log.info("stopped")
        return self._life.next_mode

    async def _prepare(self, client: Client, namespace: str, leases: Leases) -> None:
        """Read what a leader must not lack, then wait for the Lease."""
        self._reporter_image = await reporter_image(self._settings, client, namespace)
        await leases.acquire()

    @property
    def _namespaces(self) -> tuple[str | None, ...]:
        return self._settings.namespaces or (None,)

    async def _catch_signals_after_kopf(self) -> None:
        """Take the signals back from kopf, which would stop its watches first and the running reconciles last."""
        await self._kopf_ready.wait()
        self._life.catch_signals()
        log.info("watching")

    async def _supervise(self, client: Client, connection: Connection, leases: Leases, store: InstrumentedStore) -> None:
        """Sync, then work until the stop is requested. If one of the tasks ends by itself, all of them end."""
        resync = Resync(client, self._cache, store, self._settings.namespaces)
        reflectors = self._reflectors(client)
        registry = kopf_watch.build_registry(resync.sinks, connection, client, self._namespaces)
        custom = kopf_watch.watch(registry, self._settings.namespaces, self._kopf_ready)
        async with asyncio.TaskGroup() as group:
            endless = [
                group.create_task(leases.hold(), name="lease"),
                *(group.create_task(reflector.run(), name=name) for name, reflector in reflectors.items()),
                group.create_task(self._policy.watch(self._cache.notify_all), name="policy file"),
                group.create_task(store.recover(self._cache.notify_all), name="store"),
            ]
            await resync.list_all()
            for reflector in reflectors.values():
                await reflector.synced.wait()
            endless.append(group.create_task(resync.run(), name="resync"))
            endless.append(group.create_task(custom, name="kopf"))
            endless[-1].add_done_callback(lambda _: self._life.stop.set())
            endless.append(group.create_task(self._catch_signals_after_kopf(), name="signals"))
            budgets = BudgetKeeper(client, self._cache, self._notifier.enqueue if self._notifier else discard)
            writer = ProviderWriter(client, self._cache.providers, budgets, self._membership.owns)
            endless.append(group.create_task(writer.run(), name="providers"))
            working = group.create_task(self._work(client, store, resync), name="workers")
            self._synced = True
            log.info("synced", runs=len(self._cache.runs.items), pods=len(self._cache.pods.items))
            await self._life.stop.wait()
            await self._drain(working)
            await leases.release()
            if self._notifier:
                await self._notifier.flush()  # kopf's end cancels every task that began after it, senders' tasks too.
            for task in endless:
                task.cancel()

    def _reflectors(self, client: Client) -> dict[str, Reflector]:
        """Return our own watches by name. Halts are known before the first action, so a restart lifts none."""
        cache, namespaces = self._cache, self._namespaces
        return {
            "pods": Reflector(client, PODS, namespaces, cache.pods, labels=LABEL_RUN_UID),
            "reports": Reflector(client, AGENT_REPORTS, namespaces, cache.reports),
            "halts": Reflector(client, HALTS, namespaces, cache.halts.namespaced),
            "clusterhalts": Reflector(client, CLUSTER_HALTS, (None,), cache.halts.cluster),
            "providers": Reflector(client, PROVIDERS, namespaces, cache.providers.objects),
        }

    async def _work(self, client: Client, store: InstrumentedStore, resync: Resync) -> None:
        """Handle Runs, once the store can be used; until then the operator is up, unready and idle."""
        if not await self._life.unless_stopped(store.open_until_usable()):
            return
        await resync.collect()
        async with open_advisor(self._settings, self._commands, client, self._metrics, self._membership.notify) as consultations:
            defaults, admission = self._policy_defaults(), self._settings.admission_policies
            observer = Observer(client, self._cache, store, self._policy, consultations, defaults, admission=admission)
            network = AgentsNetwork(self._settings.agents_network_allow)
            tools = Tools(
                client,
                self._cache,
                self._notifier.enqueue if self._notifier else discard,
                self._sidecar(),
                self._settings.git_image,
                consultations,
                network=network,
                run_metrics=self._metrics.of_runs,
            )
            await self._reconcile(client, store, observer, tools)

    async def _reconcile(self, client: Client, store: InstrumentedStore, observer: Observer, tools: Tools) -> None:
        with self._recorder(client) as recorder:
            reconciler = Reconciler(observer, store, tools, self._cache, self._metrics, recorder, throttle=self._throttle)
            handle = self._membership.begin(reconciler.reconcile, reconciler.drop)
            await run_workers(self._queue, self._settings.workers, handle, error_policy(self._metrics))

    def _defer(self, key: RunKey) -> None:
        """Queue a Run, of which a pod made a routine change, for when its status may be written."""
        self._queue.add_after(key, self._deferral.seconds(key))

    def _policy_defaults(self) -> PolicyDefaults:
        """Return the installer's values for fields that a policy does not set."""
        settings = self._settings
        managed = NetworkMode.MANAGED if settings.agents_network else NetworkMode.UNMANAGED
        security, secrets = settings.agents_pod_security, settings.agents_image_pull_secrets
        return PolicyDefaults(managed, settings.reporter_resources, security, secrets, settings.agents_pods)

    def _sidecar(self) -> Sidecar | None:
        """How reporters run, where they do; each policy may still narrow it."""
        if not self._reporter_image:
            return None
        settings = self._settings
        return Sidecar(self._reporter_image, settings.reporter_interval_seconds, pull_policy=settings.reporter_image_pull_policy)

    @contextmanager
    def _recorder(self, client: Client) -> Iterator[Recorder | None]:
        """The recorder of a ledger while it is open; None where none was asked for."""
        settings = self._settings
        if settings.ledger is None:
            yield None
            return
        from controller.ledger.writer import Ledger  # SQLAlchemy takes its time and memory only where it is used.

        limits = Limits(
            timedelta(days=settings.ledger_max_age_days), settings.ledger_max_rows, settings.ledger_max_megabytes * MEGABYTE
        )
        with Ledger(settings.ledger, limits, self._metrics, client.server_now) as ledger:
            recorder = Recorder(ledger.record, Situations() if settings.ledger_detail == "all" else None)
            try:
                yield recorder
            finally:
                recorder.close()

    async def _open_notifier(self, stack: AsyncExitStack, client: Client) -> Notifier:
        """Open the notifier. It closes after the Lease is released, so a slow endpoint does not delay a successor."""
        senders = await stack.enter_async_context(Senders(self._settings.notify_schemes, self._settings.notify_allow))
        return await stack.enter_async_context(Notifier(client, self._metrics, senders.send, page_url=self._settings.page_url))

    async def _drain(self, working: asyncio.Task[None]) -> None:
        """Let running reconciles finish their writes."""
        log.info("stopping")
        self._queue.shut_down()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.wait([working])
        working.cancel()

    def _readiness(self) -> Checks:
        """A leader is ready if it has everything it needs, a standby replica if it has seen another lead."""
        of_a_leader: Checks = {
            "store": lambda: self._store.problem if self._store else "it was not opened yet",
            "caches": lambda: None if self._synced else "the first lists are not complete",
            "watches": lambda: None if self._kopf_ready.is_set() else "the watches of custom resources have not started",
        }
        member = self._membership
        excused = {name: unless(lambda: member.stands_by, check) for name, check in of_a_leader.items()}
        return {"lease": lambda: member.problem} | excused

    def _refresh(self, client: Client) -> None:
        self._metrics.queue_depth.set(self._queue.depth)
        self._membership.report_metrics(self._metrics)
        self._metrics.runs.set(len(self._cache.runs.items))
        self._metrics.of_runs.set_waiting(EscalationType, self._cache.waiting(client.server_now()))
        for scope in ("cluster", "namespace"):
            of_cluster = scope == "cluster"
            self._metrics.halts.labels(scope).set(self._cache.halts.count(cluster=of_cluster))
            age = self._cache.halts.oldest_age(client.server_now(), cluster=of_cluster)
            self._metrics.oldest_halt.labels(scope).set(age)
        self._metrics.of_providers.set(self._providers_seen())
        self._metrics.policy_file_ok.set(self._policy.error is None)

    def _providers_seen(self) -> list[SeenProvider]:
        """Return the providers that this process writes, for their metrics."""
        providers = self._cache.providers
        found = [(key, providers.status_of(key)) for key in providers.names() if self._membership.owns(key.namespace)]
        return [
            SeenProvider(
                key.namespace,
                key.name,
                "Unreadable" if providers.unreadable(key) else str(status.state),
                providers.unreadable(key) or status.state in SHUT,
                status.active_agents or 0,
                status.waiting_agents or 0,
                providers.budgets.used(key),
            )
            for key, status in found
            if status and (status.state or providers.unreadable(key))
        ]
