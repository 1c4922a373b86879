"""What is counted of an audit log: one user's writes, Events and Leases apart."""

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
    """A subresource is told apart from its resource, and reads are not counted."""
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
    """They are no writes of a Run, and are not forgotten either."""
    found = tally([line("create", "events"), line("update", "leases"), line("update", "leases"), line("patch", "pods")], ME)
    assert (found.total, found.events, found.leases) == (1, 1, 2)


def test_others_writes_are_not_ours() -> None:
    """Neither those of another user, nor those of one whose object or name merely mentions ours."""
    found = tally([line("create", "pods", user="admin"), line("patch", "pods", user=f"{ME}-2"), line("patch", "pods", name=ME)], ME)
    assert found.writes == {"patch pods": 1}


def test_refused_writes_are_counted_twice() -> None:
    """As writes, which they cost, and as refused."""
    found = tally([line("update", "runs", code=409), line("create", "events", code=409), line("create", "pods", code=201)], ME)
    assert (found.total, found.events, found.refused) == (2, 1, 1)


def test_a_line_that_is_being_written() -> None:
    """The API server may be in the middle of the last line."""
    assert tally([line("create", "pods"), line("create", "pods")[:-20]], ME).total == 1
