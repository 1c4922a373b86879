"""Warm processes without apprise, which start quickly and whose children do what a test says."""

from __future__ import annotations

import sys
from pathlib import Path

from controller.notify.sender_process import Senders

DOES = """
import json, os, signal, sys
from pathlib import Path
from controller.notify.forks import serve

def work(order):
    told = json.loads(order)
    url = told["url"]
    {does}
    return json.dumps({{"result": "refused", "why": str(why), "open": False}}).encode()

serve(work)
"""


def doing(does: str) -> tuple[str, ...]:
    """Return the command of a warm process whose children carry out a line of Python, and answer with its `why`."""
    return (sys.executable, "-c", DOES.format(does=does))


def answering(why: str) -> tuple[str, ...]:
    """Return the command of a warm process whose children answer with an expression."""
    return doing(f"why = {why}")


def warm_of(senders: Senders) -> int:
    """Return the process ID of the warm process, which there must be."""
    assert senders._warm
    return senders._warm.pid


def children_of(pid: int) -> list[int]:
    """Return the children of a process, the dead that were not reaped among them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Whether a process has not ended yet."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
