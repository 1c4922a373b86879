"""Metrics about the Runs themselves: how they end, what their agents use, and how long people keep them waiting.

Tenants choose namespaces and policies, so the pairs of them that get series of their own are limited.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MAX_TENANTS = 500
"""Pairs of a namespace and a policy with series of their own; the usage of any other counts for `OTHER`."""

OTHER = "_other"
"""The namespace and the policy of pairs beyond the limit. No namespace and no policy can have this name."""

MICRO_USD = 1_000_000

WAITS = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
"""Histogram bounds in seconds. People answer within minutes, or the next day."""


class RunMetrics:
    """The series about Runs. A policy is named as in a Run's status; none in force is an empty name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        tenant = ["namespace", "policy"]
        self._tenants: set[tuple[str, str]] = set()
        self.finished = Counter(
            "runwatchman_runs_finished_total",
            "Runs that have ended, by phase and reason.",
            [*tenant, "phase", "reason"],
            registry=registry,
        )
        self.tokens = Counter(
            "runwatchman_agent_tokens_total",
            "Tokens that agents have reported, counted when an attempt ends.",
            [*tenant, "direction"],
            registry=registry,
        )
        self.cost = Counter(
            "runwatchman_agent_cost_usd_total",
            "Dollars that agents have reported, counted when an attempt ends.",
            tenant,
            registry=registry,
        )
        self.waited = Counter(
            "runwatchman_waited_for_people_seconds_total",
            "Time that Runs have waited for people, counted when a wait is over.",
            tenant,
            registry=registry,
        )
        self.wait = Histogram(
            "runwatchman_human_wait_seconds",
            "Time from an escalation's creation until it was no longer open, by its type and its next phase.",
            ["type", "phase"],
            buckets=WAITS,
            registry=registry,
        )
        self._open = Gauge("runwatchman_escalations_open", "Escalations that wait for a human.", ["type"], registry=registry)
        self._oldest = Gauge(
            "runwatchman_escalation_oldest_seconds", "Age of the oldest of them; 0 without one.", ["type"], registry=registry
        )

    def count_end(self, namespace: str, policy: str, phase: str, reason: str) -> None:
        """Count a Run that has ended."""
        self.finished.labels(*self._tenant(namespace, policy), phase, reason).inc()

    def count_usage(self, namespace: str, policy: str, input_tokens: int, output_tokens: int, cost_micro_usd: int) -> None:
        """Count the usage of attempts that have ended. Agents report it themselves."""
        tenant = self._tenant(namespace, policy)
        for direction, tokens in (("input", input_tokens), ("output", output_tokens)):
            if tokens > 0:
                self.tokens.labels(*tenant, direction).inc(tokens)
        if cost_micro_usd > 0:
            self.cost.labels(*tenant).inc(cost_micro_usd / MICRO_USD)

    def count_wait(self, namespace: str, policy: str, kind: str, phase: str, seconds: float) -> None:
        """Count the end of a wait for a human."""
        self.wait.labels(kind, phase).observe(max(0.0, seconds))
        self.waited.labels(*self._tenant(namespace, policy)).inc(max(0.0, seconds))

    def set_waiting(self, kinds: Iterable[str], waits: Iterable[tuple[str, float]]) -> None:
        """Set the escalations that wait now, each as its type and its age in seconds; a type without any has 0."""
        ages: dict[str, list[float]] = {kind: [] for kind in kinds}
        for kind, seconds in waits:
            ages[kind].append(seconds)
        for kind, found in ages.items():
            self._open.labels(kind).set(len(found))
            self._oldest.labels(kind).set(max(found, default=0.0))

    def _tenant(self, namespace: str, policy: str) -> tuple[str, str]:
        """Return the labels of a tenant: its own, or those of all that came after the limit."""
        pair = (namespace, policy)
        if pair not in self._tenants and len(self._tenants) >= MAX_TENANTS:
            return OTHER, OTHER
        self._tenants.add(pair)
        return pair


def unregistered() -> RunMetrics:
    """Return metrics that nobody reads."""
    return RunMetrics(CollectorRegistry())
