"""`runwatchman reporter`: assembles the parts and runs until SIGTERM. `--ready` is the startup probe."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable

from controller.reporter.activity_monitor import Watch
from controller.reporter.agent_record import Memory
from controller.reporter.agent_reports import Reports
from controller.reporter.api import Api
from controller.reporter.api_threads import Link, Seen
from controller.reporter.cpu_activity import Processes
from controller.reporter.file_activity import Workspace
from controller.reporter.report_schedule import Pace
from controller.reporter.reporter import Json, Reporter
from controller.reporter.settings import Settings, settings_from
from controller.reporter.shared_files import Mailbox, is_ready

USAGE = 2
HELP = """usage: runwatchman reporter [--ready]

Watch the agent of this pod and report for it. The operator adds it to every agent's pod; its settings are RUNWATCHMAN_*.
--ready: exit 0 once the agent's tools and answers are in place; the startup probe of the sidecar.
"""


def main(argv: list[str]) -> int:
    """Run the reporter, or the probe; return the exit code."""
    if argv not in ([], ["--ready"]):
        print(HELP, end="", file=sys.stdout if argv in (["-h"], ["--help"]) else sys.stderr)  # a command's own help
        return 0 if argv in (["-h"], ["--help"]) else USAGE
    try:
        settings = settings_from(os.environ)
    except ValueError as error:
        print(f"runwatchman reporter: {error}", file=sys.stderr)  # noqa: T201  # the log of this container
        return USAGE
    if argv:
        return 0 if is_ready(settings.directory) else 1
    reporter = assemble(settings, time.monotonic)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, reporter.wake.stop)
    reporter.run()
    # A thread may still wait for an unresponsive API server; do not wait for that thread.
    os._exit(0)


def assemble(settings: Settings, clock: Callable[[], float]) -> Reporter:
    """Return a reporter that uses this machine's files, processes and network."""
    memory = Memory(clock())
    mailbox = Mailbox(settings.directory, memory.add_problem)
    processes = Processes() if settings.sees_processes else None
    watch = Watch(mailbox, memory, processes, Workspace(settings.workspace))
    pace = Pace(settings.interval, clock(), random.random)
    api = Api(settings.host, settings.port, settings.credentials)

    def link(on_report: Callable[[Seen], None], changed: Callable[[Json], None]) -> Link:
        return Link(Reports(api, settings), api, on_report, changed)

    return Reporter(settings, mailbox, memory, watch, pace, link, clock)
