"""Refusals that no status can show: of the status itself, and of the pods that a deleted Run leaves. They become Events."""

from __future__ import annotations

import structlog

from controller.api.names import RunKey
from controller.kube.client import Client
from controller.kube.errors import ApiError, refused_for_good
from controller.kube.event_recorder import record_warning
from controller.observability.metrics import Metrics
from controller.plan import refused_writes
from controller.plan.reasons import Reason
from controller.plan.snapshot import Snapshot

log = structlog.get_logger(__name__)

STATUS_STEP = "save"
"""The step of a save in the metric."""


class UnrecordedRefusals:
    """Posts Events about refused writes that leave no trace in the status of a Run."""

    def __init__(self, client: Client, metrics: Metrics) -> None:
        self._client, self._metrics = client, metrics

    async def record_status(self, key: RunKey, error: ApiError) -> None:
        """Record that the status or the state of a Run cannot be written; its message goes into an Event, a metric and the log."""
        if not refused_for_good(error):
            return
        self._metrics.writes_refused.labels(STATUS_STEP).inc()
        log.warning("write refused", step=STATUS_STEP, error=error.message)
        text = f"the status of the Run cannot be written, so nothing is done for it: {error.message}"
        await record_warning(self._client, key, Reason.STATUS_REFUSED, text)

    async def record_release(self, snapshot: Snapshot) -> None:
        """Record on each pod of a deleted Run that its release or deletion is refused: no other object shows it."""
        for refusal in snapshot.refusals:
            pod = (snapshot.run.namespace, refusal.name, refusal.target)
            await record_warning(self._client, pod, refused_writes.reason(refusal), refused_writes.text(refusal), pod=True)
