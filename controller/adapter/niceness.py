"""Child processes stand back: what a tenant has the operator start takes a busy processor from nobody's passes."""

from __future__ import annotations

import os
from contextlib import suppress

NICENESS = 10
"""Of a child process: beside the operator it gets about a tenth of a processor that both want (sched(7))."""


def stand_back(pid: int) -> None:
    """Lower a child's priority at its start. One that has ended already, or stands further back, is passed over."""
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, pid)))
