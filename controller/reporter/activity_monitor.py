"""Monitors the agent: its events, its processor time and its files. Each sample has a bounded cost."""

from __future__ import annotations

import json
from collections.abc import Iterator

from controller.reporter.agent_record import Memory
from controller.reporter.cli_streams import Stream
from controller.reporter.cpu_activity import Processes
from controller.reporter.events import MAX_LINE, Event, Wrong, check, decode, read_line
from controller.reporter.file_activity import Workspace
from controller.reporter.file_tail import Tail
from controller.reporter.shared_files import Mailbox

SAMPLE_SECONDS = 2.0
BYTES_PER_READ = 256 * 1024
"""Maximum bytes per file and half second. That is more than a reader can follow, and a lasting flood is still read to its end."""

LAST_BYTES = 1024 * 1024
"""Maximum bytes of each file at the end of the pod: the most recent events are read, not the whole backlog of a flood."""


class Watch:
    """Records the agent's activity in the memory."""

    def __init__(self, mailbox: Mailbox, memory: Memory, processes: Processes | None, workspace: Workspace) -> None:
        self._memory, self._processes, self._workspace = memory, processes, workspace
        self._events = Tail(mailbox.events, MAX_LINE, memory.add_problem)
        self._stream = Tail(mailbox.stream, MAX_LINE, memory.add_problem)
        self._cli = Stream()
        self._concluded = False
        """Whether the agent itself has reported its result, which takes precedence over a CLI's last message."""
        self._next_sample = 0.0

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of activity."""
        return ("Processes", "Events", "Workspace") if self._processes else ("Events", "Workspace")

    def look(self, now: float) -> bool:
        """Take a sample; return whether it should be reported to the operator at once."""
        urgent = self._read_events(now, BYTES_PER_READ)
        if self._events.grew or self._stream.grew or self._is_active(now):
            self._memory.active_at = now
        return urgent

    def drain(self, now: float) -> None:
        """Read to the end of the files: no more data will come."""
        for tail in (self._events, self._stream):
            tail.skip_to_the_last(LAST_BYTES)
        self._read_events(now, LAST_BYTES)
        self._apply_events(self._own(self._events.rest()), now)
        self._apply_events(self._events_of(self._stream.rest()), now)

    def _is_active(self, now: float) -> bool:
        if now < self._next_sample:
            return False
        self._next_sample = now + SAMPLE_SECONDS
        worked = self._processes is not None and self._processes.active(now)
        return self._workspace.changed(now) or worked

    def _read_events(self, now: float, budget: int) -> bool:
        urgent = self._apply_events(self._own(self._events.read(budget)), now)
        streamed = self._apply_events(self._events_of(self._stream.read(budget)), now)
        return urgent or streamed

    def _own(self, lines: Iterator[bytes]) -> Iterator[Event | Wrong]:
        """Yield the agent's own events."""
        for event in map(_event_of, lines):
            self._concluded |= not isinstance(event, Wrong) and event["type"] == "result"
            yield event

    def _events_of(self, lines: Iterator[bytes]) -> Iterator[Event | Wrong]:
        """Yield the events of a CLI's stream. Only the stream reports turns; its other events are checked like the agent's own."""
        for line in lines:
            try:
                text = decode(line)
            except Wrong as wrong:
                yield wrong
                continue
            for event in self._cli.feed(text):
                if event["type"] == "result" and self._concluded:
                    continue
                if event["type"] == "result" and self._memory.waiting:
                    # A model that ends its turn with an open question has no result yet: it waits.
                    event = {"type": "park"}  # noqa: PLW2901  # the rest treats it alike
                yield event if event.get("type") == "turn" else _event_of(json.dumps(event).encode())

    def _apply_events(self, events: Iterator[Event | Wrong], now: float) -> bool:
        urgent = False
        for event in events:
            if isinstance(event, Wrong):
                self._memory.add_problem(event.kind, str(event))
            else:
                urgent = self._memory.apply_event(event, now) or urgent
        return urgent


def _event_of(line: bytes) -> Event | Wrong:
    try:
        return check(read_line(line))
    except Wrong as error:
        return error
