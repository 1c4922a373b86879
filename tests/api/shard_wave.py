"""Runs of several kinds at once, followed to their ends; the recorded events are checked against P1 to P5."""

from __future__ import annotations

from controller.api.base import JsonObject
from tests.api.operators import PATIENCE_SECONDS
from tests.chaos.evidence import Evidence
from tests.chaos.invariants import Law, violations
from tests.cluster import Cluster
from tests.support import apply, await_that, failing, items, policy_of, run_of, simulated_forever

BUDGET, COOLDOWN = 1, 1
ENDS = {"done": "Completed", "crash": "Blocked", "stay": "Stopped"}
"""The kinds of Runs, and how each ends."""
EACH = 5
"""Runs of each kind in a wave: each of three shards has some Runs to continue with."""


class Wave:
    """Runs that complete, that crash until their budget is spent, and that work until they are stopped; a provider is optional."""

    def __init__(self, cluster: Cluster, namespace: str, name: str, provider: JsonObject | None = None) -> None:
        self._cluster, self._namespace, self._provider = cluster, namespace, provider
        self.names = {kind: [f"{name}-{kind}-{number}" for number in range(EACH)] for kind in ENDS}

    def apply(self) -> None:
        """Create all of them."""
        policy = policy_of({"restartBudget": BUDGET, "restartCooldownSeconds": COOLDOWN})
        made = {"done": run_of, "crash": failing, "stay": simulated_forever}
        runs = [made[kind](name) for kind in ENDS for name in self.names[kind]]
        if self._provider:
            apply(self._cluster, self._namespace, self._provider)
            for agent in (agent for run in runs for agent in run["spec"]["agents"]):
                agent["provider"] = self._provider["metadata"]["name"]
        apply(self._cluster, self._namespace, policy, *runs)

    def await_at_work(self) -> None:
        """Wait until the ones that stay are running."""
        await_phases(self._cluster, self._namespace, dict.fromkeys(self.names["stay"], "Running"))

    def see_through(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Stop the ones that stay, and wait until all have ended."""
        patch = '{"spec":{"desiredState":"Stopped"}}'
        for name in self.names["stay"]:
            self._cluster.kubectl("-n", self._namespace, "patch", "run", name, "--type=merge", "-p", patch)
        ends = {name: ENDS[kind] for kind, names in self.names.items() for name in names}
        await_phases(self._cluster, self._namespace, ends, seconds)


def await_phases(cluster: Cluster, namespace: str, wanted: dict[str, str], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until each of these Runs is in its phase; report those that are not."""
    wrong: dict[str, str | None] = {}

    def there() -> bool:
        phases = {run["metadata"]["name"]: run.get("status", {}).get("phase") for run in items(cluster, namespace, "runs")}
        wrong.clear()
        wrong.update({name: phases.get(name) for name, phase in wanted.items() if phases.get(name) != phase})
        return not wrong

    try:
        await_that(there, "", seconds)
    except AssertionError:
        raise AssertionError(f"Runs of {namespace} that are not in their phase after {seconds:.0f} s: {wrong}") from None


def judged(evidence: Evidence, namespace: str) -> list[str]:
    """Return the violations of P1 to P5 in a namespace's history."""
    history = evidence.history(namespace)
    laws = {change.name: Law(BUDGET, COOLDOWN) for change in history if change.kind == "runs"}
    assert laws
    assert evidence.complete
    return violations(history, laws)
