"""Whether a reconcile may start from the cached Run, which saves a read of the Run.

A save names the version of the Run that it replaces, so a save over an outdated Run fails, and everything before it is harmless.
The cached Run may therefore be used if a save comes before the first effect. After a failed reconcile it may not: a write may have
arrived although its answer did not, and the cache does not show it yet (docs/protocol.md).
"""

from __future__ import annotations

from controller.api.names import RunKey
from controller.plan.model import Plan
from controller.plan.steps import saves_first
from controller.store import Store


class RunFreshness:
    """Remembers which cached Runs are in doubt: their last reconcile failed, and they were not read live since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._doubted: set[RunKey] = set()

    def may_use_cached(self, key: RunKey, decision: Plan) -> bool:
        """Return whether a reconcile that carries out this plan may use the cached Run until its first save.

        A store outside of the Run saves over its own version, which proves nothing about the Run.
        """
        return saves_first(decision) and key not in self._doubted and not self._store.detached

    def failed(self, key: RunKey) -> None:
        """Doubt the cached Run: its reconcile failed."""
        self._doubted.add(key)

    def confirmed(self, key: RunKey) -> None:
        """Trust the cache again: the Run was read live, or nothing is kept of it any more."""
        self._doubted.discard(key)
