"""The record of what reconciles decided and did: a metric for each action; a log line for each that acted; the ledger's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from controller.api.base import JsonObject
from controller.api.names import RunKey
from controller.errors import RunwatchmanError
from controller.ledger.recorder import Recorder
from controller.observability.metrics import Metrics
from controller.plan import Action
from controller.reconcile.work import Work

log = structlog.get_logger(__name__)


class DecisionLog:
    """Records actions and reconciles; `recorder` is the ledger's, None if there is none."""

    def __init__(self, metrics: Metrics, recorder: Recorder | None) -> None:
        self._metrics, self._recorder = metrics, recorder

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
                log.info("acted", plan=work.first.plan.digest, steps=[_named(action) for action in work.acted])
            if self._recorder:
                self._recorder.record(work.first, work.acted, error)
        self._metrics.reconciles.labels("acted" if work.acted else "noop").inc()

    def forget(self, key: RunKey) -> None:
        """Keep nothing of a Run that is gone, or that another replica reconciles now."""
        if self._recorder:
            self._recorder.forget(key)


def _named(action: Action) -> JsonObject:
    """Return an action as a log line names it."""
    named: JsonObject = {"intent": action.intent.value, "step": action.step, "reason": action.reason.value}
    return named | ({"agent": action.agent, "attempt": action.attempt} if action.agent else {})
