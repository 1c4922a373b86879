"""What becomes of a pass that raised: it is logged with its Run and counted, and made again."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from controller.api.names import RunKey
from controller.errors import RunwardenError
from controller.kube.errors import Conflict, NotFound, retry_after
from controller.observability.metrics import Metrics

log = structlog.get_logger(__name__)


def error_policy(metrics: Metrics) -> Callable[[RunKey, Exception], float]:
    """Return what workers call when a pass raised: it is logged with its Run and counted, and the queue tries again.

    An API server that says when to come back (Retry-After) is taken at its word.
    """

    def report(key: RunKey, error: Exception) -> float:
        log_fields = {"namespace": key.namespace, "run": key.name, "error": str(error)}
        if isinstance(error, Conflict | NotFound):
            metrics.reconciles.labels("conflict").inc()
            log.debug("the cluster has moved on, looking again", **log_fields)
            return 0.0
        metrics.reconciles.labels("error").inc()
        metrics.retries.inc()
        if isinstance(error, RunwardenError):
            log.warning("pass failed, will be made again", **log_fields)
        else:
            log.error("pass failed unexpectedly, will be made again", exc_info=error, **log_fields)
        return retry_after(error)

    return report
