"""Pure: what the pages about many Runs count of each one, as small as ten thousand Runs need it."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import NamedTuple

from controller.cli.rw.objects import TERMINAL, JsonObject, namespace_of, phase_of, status_of, time_of

WITHOUT_SLOT = TERMINAL | {"Paused", "Halted"}
"""Phases in which a Run needs no slot of its policy."""


class RunFigures(NamedTuple):
    """A Run's part of the figures. `tokens` are those of ended attempts."""

    namespace: str
    phase: str
    reason: str
    policy: str
    started: bool
    ended: datetime | None
    tokens: int

    @property
    def live(self) -> bool:
        """Whether it has not finished."""
        return self.phase not in TERMINAL

    @property
    def active(self) -> bool:
        """Whether it has started and needs its slot (maxActiveRuns)."""
        return self.started and self.phase not in WITHOUT_SLOT


def figures_of(run: JsonObject) -> RunFigures:
    """Return a Run's part of the figures."""
    status = status_of(run)
    usage = status.get("usage") or {}
    return RunFigures(
        namespace=sys.intern(namespace_of(run)),
        phase=sys.intern(phase_of(run)),
        reason=sys.intern(status.get("reason", "")),
        policy=sys.intern(status.get("policy", {}).get("name", "")),
        started="startTime" in status,
        ended=time_of(status.get("completionTime")),
        tokens=usage.get("inputTokens", 0) + usage.get("outputTokens", 0),
    )


UNREAD = RunFigures("", "Pending", "", "", started=False, ended=None, tokens=0)
"""The part of a Run that cannot be read, because somebody wrote it by hand."""
