"""The writes to an API server, by user, from its audit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.cluster.base import CONTENT_WRITES, written_to

WRITES = CONTENT_WRITES | {"deletecollection"}
EVENTS, LEASES = "events", "leases"


@dataclass(frozen=True, slots=True)
class Tally:
    """One user's writes: to Events, to Leases, and all the others by verb and resource, including the refused ones."""

    writes: Mapping[str, int]
    events: int
    leases: int
    refused: int

    @property
    def total(self) -> int:
        """The number of writes other than to Events and Leases."""
        return sum(self.writes.values())


class AuditLog:
    """An API server's audit log, which is written before the answer is sent, with its rotated files."""

    def __init__(self, cluster: Cluster) -> None:
        assert cluster.audit_log, f"cluster {cluster.name} keeps no audit log"
        self._path: Path = cluster.audit_log

    def mark(self) -> int:
        """Return the number of bytes so far."""
        return sum(path.stat().st_size for path in self._files())

    def tally(self, user: str, since: int) -> Tally:
        """Count a user's writes after a mark."""
        return tally(self._lines(since), user)

    def _lines(self, since: int) -> Iterator[bytes]:
        for path in self._files():
            size = path.stat().st_size
            if since < size:
                with path.open("rb") as log:
                    log.seek(since)
                    yield from log
            since = max(0, since - size)

    def _files(self) -> list[Path]:
        """The files, oldest first: their names end with the time of their rotation."""
        return [*sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}")), self._path]


def tally(lines: Iterable[bytes], user: str) -> Tally:
    """Count a user's writes in lines of an audit log; an incomplete last line is ignored."""
    beside: Counter[str] = Counter()
    found: Counter[str] = Counter()
    refused = 0
    for event in _of(lines, user):
        resource = written_to(event)
        if resource in (EVENTS, LEASES):
            beside[resource] += 1
            continue
        found[f"{event['verb']} {resource}"] += 1
        refused += event.get("responseStatus", {}).get("code", 0) >= HTTPStatus.BAD_REQUEST
    return Tally(dict(sorted(found.items())), beside[EVENTS], beside[LEASES], refused)


def _of(lines: Iterable[bytes], user: str) -> Iterator[JsonObject]:
    name = user.encode()
    for line in lines:
        if name not in line or not line.endswith(b"\n"):
            continue  # Most lines are others': a search in the bytes is much cheaper than JSON.
        event: JsonObject = json.loads(line)
        if event["user"]["username"] == user and event["verb"] in WRITES:
            yield event
