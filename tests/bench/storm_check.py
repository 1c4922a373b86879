"""The observations of a storm, and the check that all results are exact: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from controller.api.base import JsonObject
from tests.bench.timeline import owner_of

SPENT = "Blocked"
"""The phase of a Run whose budget is spent."""


@dataclass
class Sky:
    """The newest version of each Run, and of its pods by name; and when each pod was first seen."""

    runs: dict[str, JsonObject] = field(default_factory=dict)
    pods: dict[str, dict[str, JsonObject]] = field(default_factory=lambda: defaultdict(dict))
    born: dict[str, float] = field(default_factory=dict)

    def see_run(self, _: float, __: str, run: JsonObject) -> None:
        """Record an event of a Run."""
        self.runs[run["metadata"]["name"]] = run

    def see_pod(self, at: float, _: str, pod: JsonObject) -> None:
        """Record an event of a pod."""
        self.born.setdefault(pod["metadata"]["name"], at)
        self.pods[owner_of(pod) or ""][pod["metadata"]["name"]] = pod

    def running(self) -> list[JsonObject]:
        """Return the running pods."""
        return [pod for pods in self.pods.values() for pod in pods.values() if pod["status"].get("phase") == "Running"]

    def spent(self) -> int:
        """Return the number of Runs with a spent budget."""
        return sum(run.get("status", {}).get("phase") == SPENT for run in self.runs.values())

    def faults(self, budget: int, cooldown_seconds: float) -> list[str]:
        """Return the inexact results, one line each."""
        return [fault for name, run in self.runs.items() for fault in faults_of(run, self.pods[name], budget, cooldown_seconds)]


def faults_of(run: JsonObject, pods: Mapping[str, JsonObject], budget: int, cooldown_seconds: float) -> Iterator[str]:
    """Yield the inexact results of a Run whose agent died each time: charges, attempts, the cooldown after the first restart."""
    name, told = run["metadata"]["name"], run.get("status", {})
    if told.get("restarts") != budget or told.get("phase") != SPENT:
        yield f"{name}: phase {told.get('phase')} with {told.get('restarts')} charged, should be {SPENT} with {budget}"
    if len(pods) != budget + 1:
        yield f"{name}: {len(pods)} pods ({', '.join(sorted(pods))}), should be {budget + 1}"
    born = sorted(datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in pods.values())
    for before, after in pairwise(born[1:]):
        if (after - before).total_seconds() < cooldown_seconds:
            yield f"{name}: a restart {after - before} after the one before, should be {cooldown_seconds} s at least"
