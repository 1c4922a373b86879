"""The counts from an audit log: one user's writes, with Events and Leases counted separately."""

from __future__ import annotations

import json
from typing import Any

from tests.bench.audit import tally

ME = "system:serviceaccount:bench:controller"


def line(verb: str, resource: str, *, user: str = ME, code: int = 200, **more: Any) -> bytes:
    event = {
        "verb": verb,
        "user": {"username": user},
        "objectRef": {"resource": resource, **more},
        "responseStatus": {"code": code},
    }
    return json.dumps(event).encode() + b"\n"


def test_writes_by_verb_and_resource() -> None:
    """A subresource is counted apart from its resource, and reads are not counted."""
    found = tally(
        [
            line("create", "pods"),
            line("update", "runs", subresource="status"),
            line("update", "runs", subresource="status"),
            line("get", "pods"),
            line("patch", "pods"),
        ],
        ME,
    )
    assert found.writes == {"create pods": 1, "patch pods": 1, "update runs/status": 2}
    assert found.total == 4


def test_events_and_leases_stand_apart() -> None:
    """Events and Leases do not count as writes of a Run; they are counted separately."""
    found = tally([line("create", "events"), line("update", "leases"), line("update", "leases"), line("patch", "pods")], ME)
    assert (found.total, found.events, found.leases) == (1, 1, 2)


def test_others_writes_are_not_ours() -> None:
    """Writes of another user are not counted, nor those that only mention our user in an object or a name."""
    found = tally([line("create", "pods", user="admin"), line("patch", "pods", user=f"{ME}-2"), line("patch", "pods", name=ME)], ME)
    assert found.writes == {"patch pods": 1}


def test_refused_writes_are_counted_twice() -> None:
    """A refused write counts both as a write, since it costs one, and as refused."""
    found = tally([line("update", "runs", code=409), line("create", "events", code=409), line("create", "pods", code=201)], ME)
    assert (found.total, found.events, found.refused) == (2, 1, 1)


def test_a_line_that_is_being_written() -> None:
    """The API server may be in the middle of the last line."""
    assert tally([line("create", "pods"), line("create", "pods")[:-20]], ME).total == 1
