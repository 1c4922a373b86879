"""The handling of a failed reconcile: it is logged with its Run, counted, and retried."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.api.names import RunKey
from controller.errors import RunwatchmanError
from controller.kube.errors import Conflict, NotFound, retry_after
from controller.observability.metrics import Metrics

log = structlog.get_logger(__name__)


def error_policy(metrics: Metrics) -> Callable[[RunKey, Exception], float]:
    """Return the function that workers call for a failed reconcile; it returns the least seconds until the retry.

    The API server's Retry-After is honoured. A Conflict or NotFound means that the cluster has changed, and is retried at once.
    """

    def report(key: RunKey, error: Exception) -> float:
        log_fields = {"namespace": key.namespace, "run": key.name, "error": str(error)}
        if isinstance(error, Conflict | NotFound):
            metrics.reconciles.labels("conflict").inc()
            log.debug("the cluster has changed, reconciling again", **log_fields)
            return 0.0
        metrics.reconciles.labels("error").inc()
        metrics.retries.inc()
        if isinstance(error, RunwatchmanError):
            log.warning("reconcile failed, will be retried", **log_fields)
        else:
            log.error("reconcile failed unexpectedly, will be retried", exc_info=error, **log_fields)
        return retry_after(error)

    return report
