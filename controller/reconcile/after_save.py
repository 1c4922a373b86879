"""The consequences of a save: restarts are counted, people are notified, the Events of a new phase and of a refusal are
posted.
"""

from __future__ import annotations

from controller.api.base import JsonObject
from controller.api.notification import NotificationEvent
from controller.kube.event_recorder import record_failed_verifications, record_phase_event, record_refusal_event
from controller.notify.message import finished, places_for
from controller.observability.metrics import Metrics
from controller.reconcile.actions import Tools
from controller.reconcile.work import Work


class AfterSave:
    """The hook that the reconciler calls after each save, with the status as it was before."""

    def __init__(self, tools: Tools, metrics: Metrics) -> None:
        self._tools, self._metrics = tools, metrics

    async def __call__(self, work: Work, before: JsonObject) -> None:
        """Publish what was saved. Raises ApiError where the Event could not be posted; the next reconcile posts it."""
        self._count_restarts(work)
        self._notify_finished(work, before.get("completionTime"))
        await record_phase_event(self._tools.client, before.get("phase"), work.run)
        await record_refusal_event(self._tools.client, before, work.run)
        await record_failed_verifications(self._tools.client, before, work.run)

    def _count_restarts(self, work: Work) -> None:
        """Count saved reservations only: one whose save failed is made, and counted, by a later reconcile."""
        for charge in work.reserved:
            self._metrics.restarts.labels(charge.value).inc()
        work.reserved.clear()

    def _notify_finished(self, work: Work, completed_before: str | None) -> None:
        """Notify people if this save finished the Run. Only one save can."""
        places = places_for(work.snapshot.policy, NotificationEvent.RUN_FINISHED)
        if places and (message := finished(completed_before, work.run)):
            self._tools.send_message(message, places)
