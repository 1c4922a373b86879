"""Lower priority for child processes, so that commands started for a tenant do not slow the operator's passes on a busy CPU."""

from __future__ import annotations

import os
from contextlib import suppress

NICENESS = 10
"""Niceness of a child process. It gets about a tenth of a CPU that the operator wants as well (sched(7))."""


def stand_back(pid: int) -> None:
    """Lower a child's priority at its start. A child that has ended, or has a lower priority already, is left as it is."""
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, pid)))
