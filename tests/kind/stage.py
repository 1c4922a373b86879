"""The namespace of a module's stories, on a cluster with real kubelets."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.support import answer, await_phase, await_that, items

LONG = 300.0
"""Timeout for a story that has to wait for thresholds: machines are shared."""


@dataclass(frozen=True)
class Stage:
    """Reads Runs and their escalations, and waits for them."""

    cluster: Cluster
    namespace: str

    def phase(self, run: str, *phases: str) -> JsonObject:
        """Wait for a Run's phase and return its status."""
        return await_phase(self.cluster, self.namespace, run, *phases, seconds=LONG)

    def escalations(self, run: str) -> list[JsonObject]:
        """Return a Run's escalations, oldest first."""
        found = [e for e in items(self.cluster, self.namespace, "escalations") if e["spec"]["runName"] == run]
        return sorted(found, key=lambda e: str(e["metadata"]["creationTimestamp"]))

    def asked(self, run: str, count: int = 1) -> list[JsonObject]:
        """Wait until a Run has this many open escalations."""

        def there() -> list[JsonObject] | None:
            found = [e for e in self.escalations(run) if e.get("status", {}).get("phase") == "Open"]
            return found if len(found) == count else None

        found: list[JsonObject] = await_that(there, f"{count} open escalations of {run}: {self.escalations(run)}", LONG)
        return found

    def answer(self, escalation: JsonObject, text: str) -> None:
        """Answer a question as a human would."""
        answer(self.cluster, self.namespace, escalation["metadata"]["name"], "Answer", answer=text)
