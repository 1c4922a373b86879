"""The operator's Prometheus metrics. Names follow https://prometheus.io/docs/practices/naming/."""

from __future__ import annotations

import platform
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from controller import __version__
from controller.observability.provider_metrics import ProviderMetrics
from controller.observability.run_metrics import RunMetrics

LATENCIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)
"""Histogram bounds in seconds."""


class Metrics:
    """The operator's metrics in their own registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        build = Info("runwatchman_build", "Versions of the operator and its runtime.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version(), "kopf": version("kopf")})
        self.leader = Gauge(
            "runwatchman_leader", "1 while this process holds the Lease, or the Lease of a shard.", registry=registry
        )
        self._add_shards(registry)
        self._add_passes(registry)
        self._add_requests(registry)
        self._add_store(registry)
        self.notifications = Counter(
            "runwatchman_notifications_total",
            "Notifications by event and result: sent, later (failed, may be retried), refused, unusable, unknown, dropped.",
            ["event", "result"],
            registry=registry,
        )
        self._add_restarts(registry)
        self.of_runs = RunMetrics(registry)
        self.of_providers = ProviderMetrics(registry)
        self.runs = Gauge("runwatchman_runs", "Runs that are watched.", registry=registry)
        self.halts = Gauge("runwatchman_halts", "Halts in force, by scope: cluster, namespace.", ["scope"], registry=registry)
        self.oldest_halt = Gauge(
            "runwatchman_halt_oldest_seconds", "Age of the oldest of them; 0 without one.", ["scope"], registry=registry
        )
        self.unreadable = Counter(
            "runwatchman_unreadable_objects_total",
            "Versions of objects that are too large, nested too deeply, or fail while they are processed; the log names each.",
            ["resource"],
            registry=registry,
        )
        self.policy_file_ok = Gauge(
            "runwatchman_policy_file_ok",
            "1 while the policy in force is that of the file on disk.",
            registry=registry,
        )

    def _add_shards(self, registry: CollectorRegistry) -> None:
        self.shards = Gauge("runwatchman_shards", "Number of shards that this process knows.", registry=registry)
        self.shards_epoch = Gauge(
            "runwatchman_shards_epoch", "Epoch of the number of shards; 0 before the first.", registry=registry
        )
        self._shard_held = Gauge("runwatchman_shard_held", "1 while this process acts for a shard.", ["shard"], registry=registry)

    def set_shards(self, shards: int, epoch: int, acting: Collection[int]) -> None:
        """Set the number of shards, its epoch, and the shards that this process acts for."""
        self.shards.set(shards)
        self.shards_epoch.set(epoch)
        for shard in range(shards):
            self._shard_held.labels(shard).set(shard in acting)

    def _add_passes(self, registry: CollectorRegistry) -> None:
        self.queue_depth = Gauge("runwatchman_workqueue_depth", "Runs that wait for a worker.", registry=registry)
        self.queue_latency = Histogram(
            "runwatchman_workqueue_latency_seconds",
            "Time a Run waited for a worker.",
            buckets=LATENCIES,
            registry=registry,
        )
        self.work_duration = Histogram(
            "runwatchman_workqueue_work_duration_seconds",
            "Duration of a pass.",
            buckets=LATENCIES,
            registry=registry,
        )
        self.reconciles = Counter(
            "runwatchman_reconcile_total",
            "Passes by result: noop, acted, conflict, error.",
            ["result"],
            registry=registry,
        )
        self.retries = Counter("runwatchman_workqueue_retries_total", "Passes that failed and are retried.", registry=registry)
        self.decisions = Counter(
            "runwatchman_decisions_total",
            "Actions taken, by intent and reason.",
            ["intent", "reason"],
            registry=registry,
        )
        self.writes_refused = Counter(
            "runwatchman_writes_refused_total",
            "Writes that the API server refused for good (a policy, a webhook, a quota, a role), by step.",
            ["step"],
            registry=registry,
        )

    def _add_requests(self, registry: CollectorRegistry) -> None:
        self.api_requests = Counter(
            "runwatchman_api_requests_total",
            "Requests to the API server; code 0 means no response.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.api_duration = Histogram(
            "runwatchman_api_request_duration_seconds",
            "Duration of a request to the API server.",
            ["verb"],
            buckets=LATENCIES,
            registry=registry,
        )
        self._requests, self._durations = cache(self.api_requests.labels), cache(self.api_duration.labels)

    def _add_store(self, registry: CollectorRegistry) -> None:
        self.store_duration = Histogram(
            "runwatchman_store_duration_seconds",
            "Duration of a request to the store of states.",
            ["operation"],
            buckets=LATENCIES,
            registry=registry,
        )
        self.store_duration_of = cache(self.store_duration.labels)
        self.store_conflicts = Counter(
            "runwatchman_store_conflicts_total", "Saves that conflicted: the Run or its state had changed.", registry=registry
        )
        self.store_errors = Counter("runwatchman_store_errors_total", "Failed requests to the store.", registry=registry)
        self.ledger_written = Counter("runwatchman_ledger_written_total", "Decisions written to the ledger.", registry=registry)
        self.ledger_dropped = Counter(
            "runwatchman_ledger_dropped_total",
            "Decisions that the ledger dropped, because its queue was full or its database failed.",
            registry=registry,
        )

    def _add_restarts(self, registry: CollectorRegistry) -> None:
        self.restarts = Counter(
            "runwatchman_restarts_total",
            "Reserved restarts by charge: budget, free, nobody.",
            ["charge"],
            registry=registry,
        )
        self._budget_of: dict[tuple[str, str], str] = {}
        self._budget_left = Gauge(
            "runwatchman_restart_budget_left",
            "Charged restarts that an unfinished Run has left.",
            ["namespace", "run"],
            registry=registry,
        )

    def set_budget_left(self, namespace: str, run: str, uid: str, left: int | None) -> None:
        """Set a Run's series. None removes it, so that there are never more series than unfinished Runs.

        A Run may have the name of an earlier, deleted one. The end of the earlier Run does not remove the later Run's series.
        """
        name = (namespace, run)
        if left is not None:
            self._budget_of[name] = uid
            self._budget_left.labels(*name).set(left)
        elif self._budget_of.get(name) == uid:
            del self._budget_of[name]
            with suppress(KeyError):
                self._budget_left.remove(*name)

    def count_unreadable(self, resource: str) -> None:
        """Count one version of an object that cannot be judged."""
        self.unreadable.labels(resource).inc()

    def observe_request(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """Count one request to the API server."""
        self._requests(verb, resource, str(code)).inc()
        self._durations(verb).observe(seconds)
