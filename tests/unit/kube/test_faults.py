"""The client and the reflector against an API server that misbehaves: each error has its class, and lost watches are resumed."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from controller.kube import reflector as reflecting
from controller.kube.client import Client
from controller.kube.errors import AlreadyExists, Conflict, Forbidden, Gone, Invalid, NotFound, Unavailable
from controller.kube.reflector import Reflector
from controller.kube.resources import PODS
from tests.unit.kube.faults import GONE, Answer, FaultyServer, Told, event, listing, says, watching


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
    ],
)
async def test_errors_are_told_apart(client: Client, faulty: FaultyServer, code: int, reason: str, error: type[Exception]) -> None:
    """Each answer has its own error class; the text names the request and includes the server's message."""
    faulty.answers = [says(code, reason)]
    with pytest.raises(error, match=f"POST /api/v1/namespaces/ns/pods: {code} {reason}: because {reason}"):
        await client.create(PODS, "ns", {})
    assert len(faulty.asked) == 1, "a write is never repeated"


async def test_an_answer_that_is_no_json_is_still_an_error(client: Client, faulty: FaultyServer) -> None:
    """The error shows a proxy's page as it is when the body is not a Status."""
    faulty.answers = [says(502, body="<html>bad gateway</html>")]
    with pytest.raises(Unavailable, match="bad gateway"):
        await client.get(PODS, "ns", "x")


async def test_failed_patch_test_is_a_conflict(client: Client, faulty: FaultyServer) -> None:
    """A failed `test` of a JSON patch means that the object has changed, so it is a conflict."""
    faulty.answers = [says(422, "Invalid")]
    with pytest.raises(Conflict):
        await client.json_patch(PODS, "ns", "x", [])


async def test_a_list_that_expires_midway_starts_over(client: Client, faulty: FaultyServer) -> None:
    """A continue token that is too old loses no object and duplicates none."""
    faulty.answers = [listing("a", token="t"), says(410, "Expired"), listing("a", token="u"), listing("b", version="12")]
    found = await client.list_all(PODS)
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert found.resource_version == "12"


FAULTS = {
    "410": (watching(GONE), "list"),
    "cut line": (watching(then='{"type": "ADD'), "list"),
    "500": (says(500, "InternalError"), "list"),
    "429": (says(429, "TooManyRequests"), "list"),
    "closed in the ordinary way": (watching(event("MODIFIED", "a", "11")), "watch"),
}


@pytest.mark.parametrize(("fault", "follows"), FAULTS.values(), ids=FAULTS)
async def test_a_lost_watch_is_made_good(
    client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch, fault: Answer, follows: str
) -> None:
    """After any end of a watch a list follows, or a new watch after an ordinary end; events from the gap are delivered."""
    monkeypatch.setattr(reflecting, "FIRST_BACKOFF_SECONDS", 0.001)
    last = watching(event("ADDED", "c", "13"), event("DELETED", "a", "14"))
    faulty.answers = [listing("a"), fault, *([listing("a", "b")] if follows == "list" else []), last]
    sink = Told(enough=7 if follows == "list" else 5)
    reflector = Reflector(client, PODS, [None], sink)
    task = asyncio.create_task(reflector.run())
    async with asyncio.timeout(10):
        await sink.satisfied.wait()
    task.cancel()
    assert reflector.synced.is_set()
    assert sink.calls[:2] == [("upsert", "a"), ("retain", {"a"}, "10")]
    assert ("upsert", "c") in sink.calls
    assert ("remove", "a") in sink.calls


async def test_a_list_reaches_its_sink_page_by_page(client: Client, faulty: FaultyServer) -> None:
    """The sink receives each page before the next one is read, and no page stays in memory."""
    sink = Told(enough=0)
    asked = faulty.asked

    async def second(request: web.Request) -> web.StreamResponse:
        assert sink.calls == [("upsert", "a"), ("upsert", "b")]
        return await listing("c", version="12")(request)

    faulty.answers = [listing("a", "b", version="12", token="t"), second]
    assert await reflecting.relist(client, PODS, None, sink) == "12"
    assert sink.calls[2:] == [("upsert", "c"), ("retain", {"a", "b", "c"}, "12")]
    assert len(asked) == 2


async def test_what_a_list_that_started_over_lacks_has_vanished(client: Client, faulty: FaultyServer) -> None:
    """An object of the first page that is deleted before the list restarts is not kept because of that page."""
    sink = Told(enough=0)
    faulty.answers = [listing("a", "b", token="t"), says(410, "Expired"), listing("b", version="12")]
    await reflecting.relist(client, PODS, None, sink)
    assert sink.calls[-1] == ("retain", {"b"}, "12")


async def test_a_refused_watch_ends_the_reflector(client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When RBAC keeps refusing, the reflector ends with the reason instead of retrying silently for ever."""
    monkeypatch.setattr(reflecting, "FIRST_BACKOFF_SECONDS", 0.001)
    faulty.answers = [says(403, "Forbidden")] * reflecting.HOPELESS_TRIES
    with pytest.raises(ExceptionGroup) as caught:
        await Reflector(client, PODS, [None], Told(1)).run()
    assert isinstance(caught.value.exceptions[0], Forbidden)
