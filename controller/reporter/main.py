"""`runwarden reporter`: put the parts together and run until SIGTERM. `--ready` is the startup probe."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable

from controller.reporter.api import Api
from controller.reporter.link import Link, Seen
from controller.reporter.loop import Json, Reporter
from controller.reporter.mailbox import Mailbox, is_ready
from controller.reporter.memory import Memory
from controller.reporter.objects import Reports
from controller.reporter.pace import Pace
from controller.reporter.processes import Processes
from controller.reporter.settings import Settings, settings_from
from controller.reporter.watch import Watch
from controller.reporter.workspace import Workspace

USAGE = 2
HELP = """usage: runwarden reporter [--ready]

Watch the agent of this pod and report for it. The operator starts it beside every agent; its settings are RUNWARDEN_*.
--ready: exit 0 once everything lies ready for the agent, the startup probe of the sidecar.
"""


def main(argv: list[str]) -> int:
    """Run the reporter, or answer the probe; return the exit code."""
    if argv not in ([], ["--ready"]):
        print(HELP, end="", file=sys.stdout if argv in (["-h"], ["--help"]) else sys.stderr)  # a command's own help
        return 0 if argv in (["-h"], ["--help"]) else USAGE
    try:
        settings = settings_from(os.environ)
    except ValueError as error:
        print(f"runwarden reporter: {error}", file=sys.stderr)  # noqa: T201  # the log of this container
        return USAGE
    if argv:
        return 0 if is_ready(settings.directory) else 1
    reporter = assemble(settings, time.monotonic)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, reporter.wake.stop)
    reporter.run()
    # A thread may still wait for an API server that does not answer; nobody waits for that thread.
    os._exit(0)


def assemble(settings: Settings, clock: Callable[[], float]) -> Reporter:
    """Return a reporter on this machine's files, processes and network."""
    memory = Memory(clock())
    mailbox = Mailbox(settings.directory, memory.tell)
    processes = Processes() if settings.sees_processes else None
    watch = Watch(mailbox, memory, processes, Workspace(settings.workspace))
    pace = Pace(settings.interval, clock(), random.random)
    api = Api(settings.host, settings.port, settings.credentials)

    def link(told: Callable[[Seen], None], changed: Callable[[Json], None]) -> Link:
        return Link(Reports(api, settings), api, told, changed)

    return Reporter(settings, mailbox, memory, watch, pace, link, clock)
