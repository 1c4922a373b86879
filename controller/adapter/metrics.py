"""Prometheus metrics of an adapter, in the process that it runs in."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.adapter.contract import Reply

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Histogram buckets. A stub answers at once, a model takes seconds to minutes."""
MICRO_USD = 1_000_000


class AdapterMetrics:
    """An adapter's metrics, in the registry of its process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.consultations = Counter(
            "runwatchman_advisor_consultations_total", "Consultations by their end.", ["command", "ended"], registry=registry
        )
        self.duration = Histogram(
            "runwatchman_advisor_duration_seconds",
            "Duration of a consultation, including the wait for a slot.",
            ["command"],
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "runwatchman_advisor_tokens_total", "Tokens, if the command reports them.", ["command", "direction"], registry=registry
        )
        self.cost = Counter(
            "runwatchman_advisor_cost_usd_total", "Dollars, if the command reports them.", ["command"], registry=registry
        )
        self.breaker_open = Gauge(
            "runwatchman_advisor_breaker_open", "Tenants for whom the command is suspended.", ["command"], registry=registry
        )
        self.waiting = Gauge("runwatchman_advisor_waiting", "Consultations that wait for a slot.", registry=registry)

    def count(self, command: str, reply: Reply) -> None:
        """Count a consultation."""
        used = reply.consumption
        self.consultations.labels(command, reply.ended.value).inc()
        self.duration.labels(command).observe(reply.latency_seconds)
        for direction, tokens in (("input", used.input_tokens), ("output", used.output_tokens)):
            if tokens is not None:
                self.tokens.labels(command, direction).inc(tokens)
        if used.cost_micro_usd is not None:
            self.cost.labels(command).inc(used.cost_micro_usd / MICRO_USD)
