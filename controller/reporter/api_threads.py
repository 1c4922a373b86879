"""The threads for the API server, so that the main thread never waits for it: one sends requests, one watches."""

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
"""Stack size of a thread. The calls are not deep, and the memory counts in every pod."""


class Seen(NamedTuple):
    """The result of a request: the object (None if it does not exist), or the error."""

    found: Json | None
    error: str = ""


class Link:
    """Sends one request at a time and passes its result to a callback."""

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
        """Request the object."""
        self._requests.put(self._reports.load)

    def write(self, seen: Json | None, status: Json) -> None:
        """Write a report."""
        self._requests.put(lambda: self._reports.write(seen, status))

    def watch(self, wanted: bool) -> None:
        """Start to watch the object, or stop once the current watch has ended."""
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
