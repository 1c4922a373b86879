"""The reporter's main thread: samples the agent, applies API responses, reports on schedule, and writes the final report."""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from controller.reporter.activity_monitor import Watch
from controller.reporter.agent_record import Memory
from controller.reporter.api_threads import Link, Seen
from controller.reporter.report_schedule import Pace
from controller.reporter.report_status import last_words, same_but_for_times, status_of
from controller.reporter.settings import Settings
from controller.reporter.shared_files import Mailbox

Json = dict[str, Any]

TICK_SECONDS = 0.5
FIRST_LOAD_SECONDS = 10.0
"""How long the agent's start waits for data of earlier attempts; an unavailable API server does not keep an agent from starting."""

FAREWELL_SECONDS = 1.5
"""Time limit of the final report: if the agent used up the grace period, its sidecar has 2 s left."""


class Wake:
    """Wakes the main thread from another thread or from a signal handler."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stopping = False

    def wake(self) -> None:
        """End the current wait, or the next one if the thread is not waiting."""
        try:
            os.write(self.writer, b"!")
        except BlockingIOError:
            return  # It is awake already: the pipe is full.

    def stop(self, *_: object) -> None:
        """Stop the reporter; used as a signal handler."""
        self.stopping = True
        self.wake()

    def wait(self, seconds: float) -> None:
        """Wait until the time is over or the thread is woken."""
        if select.select([self.reader], [], [], max(0.0, seconds))[0]:
            os.read(self.reader, 4096)


class Reporter:
    """One agent's reporter. `clock` is monotonic; `answers` holds the results from the link's threads since the last tick."""

    def __init__(
        self,
        settings: Settings,
        mailbox: Mailbox,
        memory: Memory,
        watch: Watch,
        pace: Pace,
        link: Callable[[Callable[[Seen], None], Callable[[Json], None]], Link],
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._mailbox, self._memory, self._watch = settings, mailbox, memory, watch
        self._pace, self._clock = pace, clock
        self.wake = Wake()
        self._answers: deque[tuple[Seen, bool]] = deque()
        self._link = link(lambda result: self._on_report(result, True), lambda report: self._on_report(Seen(report), False))
        self._object: Json | None = None
        self._loaded = False
        self._busy = False
        self._sent: Json | None = None
        self._written: Json | None = None
        self._seq = 0
        self._error = ""

    def run(self) -> None:
        """Report until stopped."""
        self._begin()
        while not self.wake.stopping:
            self._tick()
            self.wake.wait(TICK_SECONDS)
        self._end()

    def _begin(self) -> None:
        self._mailbox.prepare()
        self._memory.dismiss(self._mailbox.dismissed())
        self._memory.deliver(self._mailbox.delivered())
        self._link.start()
        self._busy = True
        self._link.load()
        until = self._clock() + FIRST_LOAD_SECONDS
        while self._busy and not self.wake.stopping and self._clock() < until:
            self.wake.wait(until - self._clock())
            self._take_in()
        self._mailbox.mark_ready()

    def _tick(self) -> None:
        self._take_in()
        if self._watch.look(self._clock()):
            self._pace.urgent = True
        self._link.watch(self._memory.waiting and self._object is not None)
        if not self._busy and self._pace.due(self._clock()):
            self._report()

    def _report(self) -> None:
        """Start a write of the newest report. If data of earlier attempts was not loaded yet, load it first, so that it is not
        lost.
        """
        now = self._clock()
        self._busy = True
        self._pace.sent(now)
        if self._loaded:
            self._sent = self._status(now)
            self._link.write(self._object, self._sent)
        else:
            self._pace.urgent = True
            self._link.load()

    def _status(self, now: float) -> Json:
        # Seconds since boot: the number rises even over a restart of this container that the API server did not notice.
        self._seq = max(self._seq + 1, int(now))
        return status_of(self._settings, self._memory, self._watch.sources, self._seq, now)

    def _on_report(self, result: Seen, answered: bool) -> None:
        self._answers.append((result, answered))
        self.wake.wake()

    def _take_in(self) -> None:
        while self._answers:
            result, answered = self._answers.popleft()
            if answered:
                self._apply_report(result)
            if result.found is not None:
                self._apply_object(result.found)

    def _apply_report(self, result: Seen) -> None:
        """Record the result of the current request."""
        self._busy = False
        if result.error:
            self._pace.failed(self._clock())
            self._object = None
            self._log(result.error)
            return
        self._log("")
        self._loaded = True
        if self._sent is not None:
            self._written, self._sent = self._sent, None
            self._pace.arrived(self._clock())

    def _apply_object(self, report: Json) -> None:
        """Apply the object as others wrote it: answers, and the questions that earlier attempts have read."""
        if self._object is None or _version(report) > _version(self._object):
            self._object = report
        status, spec = report.get("status") or {}, report.get("spec") or {}
        if status.get("podUID") == self._settings.pod_uid:
            self._seq = max(self._seq, status.get("seq", 0))
        if self._memory.restore_read(status.get("read", ())):
            self._mailbox.note_read(self._memory.read)
        self._mailbox.write_answers(spec.get("deliveries") or ())
        self._memory.dismiss(self._mailbox.dismissed())
        if self._memory.deliver(self._mailbox.delivered()):
            self._pace.urgent = True

    def _end(self) -> None:
        """Write the final report: first into the termination message, which is local, then to the API server, for a bounded
        time.
        """
        until = self._clock() + FAREWELL_SECONDS
        self._watch.drain(self._clock())
        status = self._status(self._clock())
        self._leave(last_words(status))
        self._await_answer(until)
        if not self._loaded and self._memory.has_spoken:
            self._busy = True
            self._link.load()
            self._await_answer(until)
            status = self._status(self._clock())
        if self._loaded and self._worth_writing(status):
            self._busy = True
            self._link.write(self._object, status)
            self._await_answer(until)

    def _worth_writing(self, status: Json) -> bool:
        """Whether the API server lacks data. A short agent without events causes no write."""
        if self._written is None:
            return self._memory.has_spoken
        return not same_but_for_times(status, self._written)

    def _await_answer(self, until: float) -> None:
        while self._busy and self._clock() < until:
            self.wake.wait(until - self._clock())
            self._take_in()

    def _leave(self, text: str) -> None:
        try:
            self._settings.last_words.write_text(text)
        except OSError as error:
            self._log(f"the termination message cannot be written: {error}")

    def _log(self, error: str) -> None:
        """Log an error of the API server once, and its recovery."""
        if error != self._error:
            self._error = error
            print(error or "the API server responds again", file=sys.stderr, flush=True)  # noqa: T201  # the log of this container


def _version(report: Json) -> int:
    version = report.get("metadata", {}).get("resourceVersion", "")
    return int(version) if version.isdecimal() else 0
