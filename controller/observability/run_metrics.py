"""Metrics about the Runs themselves: how they end, what their agents use, and how long people keep them waiting.

Tenants choose namespaces and policies, so the pairs of them that get series of their own are limited.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MAX_TENANTS = 500
"""Pairs of a namespace and a policy with series of their own, and as many of them with a provider. Others count for `OTHER`."""

OTHER = "_other"
"""The namespace, the policy and the provider beyond the limit. None of them can have this name."""

MICRO_USD = 1_000_000

WAITS = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
"""Histogram bounds in seconds. People answer within minutes, or the next day."""


class Used(NamedTuple):
    """What agents have used: tokens in and out, and the cost in millionths of a US dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0

    def beyond(self, other: Used) -> Used:
        """Return by how much this exceeds another, never less than nothing."""
        return Used(*(max(0, mine - its) for mine, its in zip(self, other, strict=True)))

    def plus(self, other: Used) -> Used:
        """Return the sum."""
        return Used(*(mine + its for mine, its in zip(self, other, strict=True)))


class RunMetrics:
    """The series about Runs. A policy is named as in a Run's status; none in force is an empty name, as is no provider."""

    def __init__(self, registry: CollectorRegistry) -> None:
        tenant = ["namespace", "policy"]
        self._tenants: set[tuple[str, ...]] = set()
        self._users: set[tuple[str, ...]] = set()
        self.finished = Counter(
            "runwatchman_runs_finished_total",
            "Runs that have ended, by phase and reason.",
            [*tenant, "phase", "reason"],
            registry=registry,
        )
        self.tokens = Counter(
            "runwatchman_agent_tokens_total",
            "Tokens that agents have reported, counted when an attempt ends.",
            [*tenant, "provider", "direction"],
            registry=registry,
        )
        self.cost = Counter(
            "runwatchman_agent_cost_usd_total",
            "Dollars that agents have reported, counted when an attempt ends.",
            [*tenant, "provider"],
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

    def count_usage(self, namespace: str, policy: str, provider: str, used: Used) -> None:
        """Count the usage of attempts that have ended. Agents report it themselves."""
        user = _capped(self._users, namespace, policy, provider)
        for direction, tokens in (("input", used.input_tokens), ("output", used.output_tokens)):
            if tokens > 0:
                self.tokens.labels(*user, direction).inc(tokens)
        if used.cost_micro_usd > 0:
            self.cost.labels(*user).inc(used.cost_micro_usd / MICRO_USD)

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

    def _tenant(self, namespace: str, policy: str) -> tuple[str, ...]:
        return _capped(self._tenants, namespace, policy)


def _capped(known: set[tuple[str, ...]], *labels: str) -> tuple[str, ...]:
    """Return these labels, or those of all that came after the limit."""
    if labels not in known and len(known) >= MAX_TENANTS:
        return (OTHER,) * len(labels)
    known.add(labels)
    return labels


def unregistered() -> RunMetrics:
    """Return metrics that nobody reads."""
    return RunMetrics(CollectorRegistry())
