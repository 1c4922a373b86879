"""Processes that the operator starts for tenants, senders and advisors' commands, run at a lower priority."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from controller.adapter.command import Invocation
from controller.adapter.niceness import NICENESS, stand_back
from controller.adapter.process import Processes
from controller.api.notification import NotificationEvent
from controller.notify.message import Level, Message
from controller.notify.sender_process import Senders
from tests.unit.notify.forked import answering

ASKED = "import os, sys; sys.stdin.read(); nice = os.getpriority(os.PRIO_PROCESS, 0)"
"""Code that reads its input runs after its priority was set."""
BEHIND = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))


async def test_a_sender_stands_back() -> None:
    """The process that loads a sender's library has the lower priority, and so has the sender from its start."""
    command = answering("os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, os.getppid())")
    message = Message(NotificationEvent.RUN_FINISHED, "ns", "demo", "u1", Level.INFO, "t", "b")
    async with Senders(("json",), command=command) as senders:
        assert (await senders.send("json://x", message)).why == str((BEHIND, BEHIND))


async def test_a_command_of_an_advisor_stands_back(tmp_path: Path) -> None:
    """A command and its child processes have the lower priority: priorities are inherited."""
    invocation = Invocation((sys.executable, "-c", f"{ASKED}; print(nice)"), b"{}")
    finish = await Processes().run(invocation, tmp_path, frozenset(), 30)
    assert json.loads(finish.stdout) == BEHIND


def test_one_that_has_ended_is_passed_over() -> None:
    """A child may end before its parent sets its priority."""
    stand_back(2**22 + 1)
