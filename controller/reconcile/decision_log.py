"""The record of what reconciles decided and did: a metric for each action; a log line and a ledger entry for each that acted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from controller.api.base import JsonObject
from controller.errors import RunwatchmanError
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
        log.debug("step", **_named(action))

    def refused(self, action: Action, message: str) -> None:
        """Record an action that the API server refused for good. It is not an act: the ledger has none of it."""
        self._metrics.writes_refused.labels(action.step).inc()
        log.warning("write refused", step=action.step, agent=action.agent or None, error=message)

    @contextmanager
    def recorded(self, work: Work) -> Iterator[None]:
        """Log the reconcile in one line if it acted, and put it into the ledger: its first snapshot and plan, its actions, and
        the error that ended it.
        """
        error = ""
        try:
            yield
        except RunwatchmanError as caught:
            error = str(caught)
            raise
        finally:
            if work.acted:
                self._keep(work, error)
        self._metrics.reconciles.labels("acted" if work.acted else "noop").inc()

    def _keep(self, work: Work, error: str) -> None:
        first = work.first
        log.info("acted", plan=first.plan.digest, steps=[_named(action) for action in work.acted])
        if self._record:
            self._record(entry_of(first.snapshot, first.plan, work.acted, error, first.at))


def _named(action: Action) -> JsonObject:
    """Return an action as a log line names it."""
    named: JsonObject = {"intent": action.intent.value, "step": action.step, "reason": action.reason.value}
    return named | ({"agent": action.agent, "attempt": action.attempt} if action.agent else {})
