"""The record of what reconciles decided and did: metrics and a log line for each action, a ledger entry for each that acted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from controller.errors import RunwardenError
from controller.ledger.entry import Entry, entry_of
from controller.observability.metrics import Metrics
from controller.plan import Action
from controller.reconcile.work import Work

log = structlog.get_logger(__name__)


class DecisionLog:
    """Records actions and reconciles; `record` writes to the ledger, None if there is none."""

    def __init__(self, metrics: Metrics, record: Callable[[Entry], None] | None) -> None:
        self._metrics, self._record = metrics, record

    def acted(self, work: Work, action: Action) -> None:
        """Record an action that was carried out."""
        work.acted.append(action)
        self._metrics.decisions.labels(action.intent.value, action.reason.value).inc()
        log.info(
            "acted",
            intent=action.intent.value,
            step=action.step,
            reason=action.reason.value,
            agent=action.agent or None,
            attempt=action.attempt if action.agent else None,
            plan=work.first.plan.digest,
        )

    def refused(self, action: Action, message: str) -> None:
        """Record an action that the API server refused for good. It is not an act: the ledger has none of it."""
        self._metrics.writes_refused.labels(action.step).inc()
        log.warning("write refused", step=action.step, agent=action.agent or None, error=message)

    @contextmanager
    def recorded(self, work: Work) -> Iterator[None]:
        """Put the reconcile into the ledger if it acted: its first snapshot and plan, its actions, and the error that ended it."""
        error = ""
        try:
            yield
        except RunwardenError as caught:
            error = str(caught)
            raise
        finally:
            if self._record and work.acted:
                first = work.first
                self._record(entry_of(first.snapshot, first.plan, work.acted, error, first.at))
        self._metrics.reconciles.labels("acted" if work.acted else "noop").inc()
