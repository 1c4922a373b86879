"""Decides when a Run is reconciled after a routine change of its pods: when its status may be written.

The only deadline that begins with such a change and may be short is health.pendingStalledSeconds, which begins when a pod is bound.
(A running pod's reporter is silent after three minutes at the earliest.) A reconcile that finds another one returns it as its next
check. So a Run whose policy has a short one is reconciled at once, and no deadline is missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from controller.api.names import RunKey
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.policy_resolver import resolve_policy
from controller.cache.run_cache import RunCache
from controller.reconcile.status_throttle import StatusThrottle

SHORT_SECONDS = 60
"""A pendingStalledSeconds below this is short: many times the longest delay, so that a late event of a watch matters no more."""


class Deferral:
    """Delays reconciles after routine changes by the throttle of status updates; `monotonic` is the throttle's clock."""

    def __init__(
        self,
        cache: RunCache,
        policy: PolicyFileWatcher,
        throttle: StatusThrottle,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache, self._policy, self._throttle, self._monotonic = cache, policy, throttle, monotonic

    def seconds(self, run: RunKey) -> float:
        """Return in how many seconds to reconcile a Run of which a pod has just made a routine change."""
        return 0.0 if self._is_short_of_time(run) else self._throttle.defer(run, self._monotonic())

    def _is_short_of_time(self, run: RunKey) -> bool:
        known = self._cache.run(run)
        policy = resolve_policy(self._cache, self._policy.current, known.facts) if known else None
        return isinstance(policy, ResolvedPolicy) and 0 < policy.spec.health.pending_stalled_seconds < SHORT_SECONDS
