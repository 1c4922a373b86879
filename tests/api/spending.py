"""A provider with a budget, and agents that use it up: what tests and the campaign share."""

from __future__ import annotations

import signal
from typing import Any

from controller.api.base import JsonObject
from tests.plugin import Plugin, report
from tests.support import OperatorProcess, await_that, get, items

API = "runwatchman.dev/v1alpha1"
EACH = 1000
"""The tokens that each agent uses."""

WAITS, DONE = "ProviderBudgetSpent", "AllAgentsComplete"


def a_provider(*budgets: JsonObject, **spec: Any) -> JsonObject:
    """Return a provider with these budgets; each is a day's by default."""
    filled = [{"name": "daily", "window": "Day", **budget} for budget in budgets]
    return {"apiVersion": API, "kind": "Provider", "metadata": {"name": "account"}, "spec": {"budgets": filled, **spec}}


def window(rw: Plugin) -> JsonObject:
    """Return the window of the provider's only budget."""
    found = get(rw.cluster, rw.namespace, "providers.runwatchman.dev", "account").get("status", {}).get("windows")
    return found[0] if found else {}


def started(rw: Plugin) -> list[str]:
    """Return the Runs whose agent is at work, by name."""
    pods = [pod for pod in items(rw.cluster, rw.namespace, "pods") if not pod["spec"].get("schedulingGates")]
    return sorted(pod["metadata"]["name"].split("-")[0] for pod in pods if pod["status"]["phase"] == "Running")


def reasons(rw: Plugin) -> dict[str, str]:
    """Return the reason of each Run's phase."""
    return {run["metadata"]["name"]: run.get("status", {}).get("reason", "") for run in items(rw.cluster, rw.namespace, "runs")}


def asked(rw: Plugin) -> list[JsonObject]:
    """Return the questions for more."""
    return [e for e in items(rw.cluster, rw.namespace, "escalations") if e["spec"]["type"] == "Budget"]


def work(rw: Plugin, run: str) -> None:
    """Let an agent use its tokens, in two reports, and complete."""
    for used in (EACH // 2, EACH):
        report(rw, run, seq=used, usage={"inputTokens": used - 100, "outputTokens": 100})
    outcome = "test.runwatchman.dev/outcome=succeed"
    rw.cluster.kubectl("-n", rw.namespace, "annotate", "pod", f"{run}-coder-r0", "--overwrite", outcome)
    await_that(lambda: reasons(rw)[run] == DONE, f"Run {run} to complete")


def kill(operator: OperatorProcess) -> None:
    """Kill the operator, and start it again."""
    operator.stop(signal.SIGKILL)
    operator.start()
