"""The consequences of a save: restarts are counted, people are notified, the Events of a new phase, a lifted halt and
a refusal are posted.
"""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.notification import NotificationEvent
from controller.kube.event_recorder import (
    record_failed_verifications,
    record_lift_event,
    record_phase_event,
    record_refusal_event,
)
from controller.notify.message import finished, places_for
from controller.observability.metrics import Metrics
from controller.observability.run_metrics import Used
from controller.reconcile.actions import Tools
from controller.reconcile.work import Work


class AfterSave:
    """The hook that the reconciler calls after each save, with the status as it was before."""

    def __init__(self, tools: Tools, metrics: Metrics) -> None:
        self._tools, self._metrics = tools, metrics

    async def __call__(self, work: Work, before: JsonObject) -> None:
        """Publish what was saved. Raises ApiError where the Event could not be posted; the next reconcile posts it."""
        self._count_restarts(work)
        self._count_usage(work, before)
        self._count_end(work, before)
        self._notify_finished(work, before.get("completionTime"))
        await record_phase_event(self._tools.client, before.get("phase"), work.run)
        await record_lift_event(self._tools.client, before, work.run)
        await record_refusal_event(self._tools.client, before, work.run)
        await record_failed_verifications(self._tools.client, before, work.run)

    def _count_restarts(self, work: Work) -> None:
        """Count saved reservations only: one whose save failed is made, and counted, by a later reconcile."""
        for charge in work.reserved:
            self._metrics.restarts.labels(charge.value).inc()
        work.reserved.clear()

    def _count_usage(self, work: Work, before: JsonObject) -> None:
        """Count the usage that this save has added: that of the attempts whose end it records."""
        for provider, used in used_since(before, work.run).items():
            self._metrics.of_runs.count_usage(work.key.namespace, policy_of(work.run), provider, used)

    def _count_end(self, work: Work, before: JsonObject) -> None:
        """Count a Run that this save has finished. Only one save can."""
        status = work.run["status"]
        if "completionTime" in status and "completionTime" not in before:
            self._metrics.of_runs.count_end(work.key.namespace, policy_of(work.run), status["phase"], status["reason"])

    def _notify_finished(self, work: Work, completed_before: str | None) -> None:
        """Notify people if this save finished the Run. Only one save can."""
        places = places_for(work.snapshot.policy, NotificationEvent.RUN_FINISHED)
        if places and (message := finished(completed_before, work.run)):
            self._tools.send_message(message, places)


def policy_of(run: JsonObject) -> str:
    """Return the name of the policy in force for a Run, by its status; empty if there was none."""
    return str(run["status"].get("policy", {}).get("name", ""))


def used_since(before: JsonObject, run: JsonObject) -> dict[str, Used]:
    """Return what a Run's agents have used since a former status, by provider; an empty name has those without one."""
    old = {agent["name"]: agent for agent in before.get("agents", ())}
    providers = {agent["name"]: agent["provider"] for agent in run["spec"]["agents"] if agent.get("provider")}
    total, found = _used(run["status"]).beyond(_used(before)), dict[str, Used]()
    for agent in run["status"].get("agents", ()):
        if provider := providers.get(agent["name"]):
            more = _used(agent).beyond(_used(old.get(agent["name"], {})))
            found[provider], total = found.get(provider, Used()).plus(more), total.beyond(more)
    return {provider: used for provider, used in {**found, "": total}.items() if any(used)}


def _used(status: JsonObject) -> Used:
    usage = status.get("usage") or {}
    return Used(*(usage.get(field, 0) for field in ("inputTokens", "outputTokens", "costMicroUSD")))
