"""The started pods that no saved state names yet, as this process has seen them (see `plan/attempts/lean_start.py`).

The pods alone would do, since their finalizer keeps them. This memory also covers one whose finalizer somebody strips: it counts as
started, and its loss is recorded and charged.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from controller.api.names import RunKey
from controller.plan.attempts.lean_start import NONE, adopted, started_pods
from controller.plan.snapshot import PodFacts, Snapshot


class UnsavedStarts:
    """Remembers started pods by Run and agent until a state names them. `now` returns the API server's time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._pods: dict[RunKey, dict[str, PodFacts]] = {}

    def adopt(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with a state that names the started pods."""
        key, now = snapshot.run.key, self._now()
        known = self._pods.get(key, NONE)
        if started := started_pods(snapshot, now, known):
            self._pods[key] = started
            return adopted(snapshot, started, now)
        self.forget(key)
        return snapshot

    def forget(self, key: RunKey) -> None:
        """Keep nothing of a Run."""
        self._pods.pop(key, None)
