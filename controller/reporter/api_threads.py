"""The threads that speak with the API server, so that the main one never waits for it: one asks and writes, one watches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from controller.reporter.agent_reports import NotOurs, Reports
from controller.reporter.api import Api, Refused

Json = dict[str, Any]

WATCH_SECONDS = 60
RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 30.0
STACK_BYTES = 256 * 1024
"""Of a thread: it does not nest deeply, and memory is counted in every pod."""


class Seen(NamedTuple):
    """What became of a request: the object (None where there is none), or the error that it ended with."""

    found: Json | None
    error: str = ""


class Link:
    """Takes one request at a time and tells when it was answered."""

    def __init__(self, reports: Reports, api: Api, on_report: Callable[[Seen], None], changed: Callable[[Json], None]) -> None:
        self._reports, self._api, self._on_report, self._changed = reports, api, on_report, changed
        self._requests: SimpleQueue[Callable[[], Json | None]] = SimpleQueue()
        self._wanted = threading.Event()
        self._pause = threading.Event()
        threading.stack_size(STACK_BYTES)

    def start(self) -> None:
        """Start both threads; they end with the process."""
        for work in (self._serve, self._watch):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def load(self) -> None:
        """Ask for the object."""
        self._requests.put(self._reports.load)

    def write(self, seen: Json | None, status: Json) -> None:
        """Write a report."""
        self._requests.put(lambda: self._reports.write(seen, status))

    def watch(self, wanted: bool) -> None:
        """Watch the object from now on, or no more once the watch that runs has ended."""
        (self._wanted.set if wanted else self._wanted.clear)()

    def _serve(self) -> None:
        while True:
            request = self._requests.get()
            try:
                self._on_report(Seen(request()))
            except (Refused, NotOurs) as error:
                self._on_report(Seen(None, str(error)))

    def _watch(self) -> None:
        wait = RETRY_SECONDS
        while True:
            self._wanted.wait()
            try:
                for found in self._api.watch(self._reports.watched, WATCH_SECONDS):
                    wait = RETRY_SECONDS
                    self._changed(self._reports.check(found))
                    if not self._wanted.is_set():
                        break
            except (Refused, NotOurs):
                wait = min(MAX_RETRY_SECONDS, wait * 2)
            self._pause.wait(wait)
