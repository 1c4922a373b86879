"""What was written to an API server, from its audit log, by who wrote it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from controller.api.base import JsonObject
from tests.cluster import Cluster

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
EVENTS, LEASES = "events", "leases"

Writes = Counter[tuple[str, str]]
"""How often each (verb, resource or resource/subresource) was written."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One user's writes: to Events, to Leases, and all the others; and how many of the last were refused."""

    writes: Mapping[tuple[str, str], int]
    events: int
    leases: int
    refused: int

    @property
    def total(self) -> int:
        """The writes that are neither of an Event nor of a Lease."""
        return sum(self.writes.values())


class AuditLog:
    """An API server's audit log, which it writes before it answers."""

    def __init__(self, cluster: Cluster) -> None:
        assert cluster.audit_log, f"cluster {cluster.name} keeps no audit log"
        self._path: Path = cluster.audit_log

    def mark(self) -> int:
        """Return where the log ends now."""
        return self._path.stat().st_size

    def tally(self, user: str, since: int) -> Tally:
        """Count what a user wrote from a mark on."""
        with self._path.open("rb") as log:
            log.seek(since)
            return tally(log, user)


def tally(lines: Iterable[bytes], user: str) -> Tally:
    """Count a user's writes in lines of an audit log; a last line that is not whole yet counts nothing."""
    found: Writes = Counter()
    refused = 0
    for event in _of(lines, user):
        target = event.get("objectRef", {})
        subresource = f"/{target['subresource']}" if target.get("subresource") else ""
        found[event["verb"], target.get("resource", "") + subresource] += 1
        refused += event.get("responseStatus", {}).get("code", 0) >= HTTPStatus.BAD_REQUEST and target.get("resource") not in (
            EVENTS,
            LEASES,
        )
    beside = {resource: sum(n for (_, what), n in found.items() if what == resource) for resource in (EVENTS, LEASES)}
    writes = {key: number for key, number in sorted(found.items()) if key[1] not in beside}
    return Tally(writes, beside[EVENTS], beside[LEASES], refused)


def _of(lines: Iterable[bytes], user: str) -> Iterator[JsonObject]:
    name = user.encode()
    for line in lines:
        if name not in line or not line.endswith(b"\n"):
            continue  # Most lines are others': a look at the bytes is much cheaper than the JSON.
        event: JsonObject = json.loads(line)
        if event["user"]["username"] == user and event["verb"] in WRITES:
            yield event
