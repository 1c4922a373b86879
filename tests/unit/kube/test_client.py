"""Faults that a client must survive in addition to clean errors: overload, huge events, nonsense, dropped connections."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from kubernetes.aio.config import ConfigException

from controller.kube import client as clients
from controller.kube import request
from controller.kube.client import Client
from controller.kube.errors import ApiError, Gone, Unauthorized, Unavailable, retry_after
from controller.kube.resources import PODS
from tests.unit.kube.faults import FaultyServer, event, listing, says, watching

Call = Callable[[Client], Awaitable[object]]


def busy(retry_after: str, code: int = 429) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=code, headers={"Retry-After": retry_after}, text="{}")

    return answer


async def drop(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def follow(client: Client) -> list[str]:
    return [str(seen.object["metadata"]["name"]) async for seen in client.watch(PODS, None, "1")]


async def test_overload_is_waited_out(client: Client, faulty: FaultyServer) -> None:
    """A read that gets a Retry-After waits, repeats the request and succeeds."""
    faulty.answers = [busy("0"), busy("0", 503), says(200, body='{"kind": "Pod"}')]
    assert await client.get(PODS, "ns", "x") == {"kind": "Pod"}


@pytest.mark.parametrize("code", [429, 503])
async def test_lasting_overload_is_unavailable(client: Client, faulty: FaultyServer, code: int) -> None:
    """After a bounded number of tries a server that keeps refusing causes an ApiError with its Retry-After."""
    faulty.answers = [busy("0", code)] * 40
    with pytest.raises(Unavailable, match="GET /api/v1/namespaces/ns/pods/x") as caught:
        await client.get(PODS, "ns", "x")
    assert (caught.value.status, caught.value.retry_after) == (code, 0.0)
    assert len(faulty.asked) <= 12


@pytest.mark.parametrize("call", [lambda c: c.get(PODS, "ns", "x"), lambda c: c.create(PODS, "ns", {})], ids=["get", "create"])
async def test_a_wish_for_a_long_wait_is_the_callers_to_grant(client: Client, faulty: FaultyServer, call: Call) -> None:
    """A Retry-After of half a minute blocks no worker: the error says when to retry, and the wait is capped."""
    for header, seconds in (("30", 30.0), ("86400", 300.0)):
        faulty.answers = [busy(header)]
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable) as caught:
                await call(client)
        assert retry_after(caught.value) == seconds
    assert len(faulty.asked) == 2


@pytest.mark.parametrize(
    "call", [lambda c: c.get(PODS, "ns", "x"), lambda c: c.list_all(PODS), follow], ids=["get", "list", "watch"]
)
async def test_a_long_retry_after_does_not_hold_a_request_for_hours(
    client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    """The time limit of a request includes its retries."""
    monkeypatch.setattr(request, "REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(request, "WATCH_OPEN_SECONDS", 0.05)
    faulty.answers = [busy("3600")]
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await call(client)


async def test_a_watch_that_never_answers_is_given_up(
    client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch without headers within the time to open it is given up; it is not deaf for its whole length."""
    monkeypatch.setattr(request, "WATCH_OPEN_SECONDS", 0.05)
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await follow(client)


@pytest.mark.parametrize("body", ["<html>login</html>", "[]", '{"items": ['])
async def test_an_ok_that_is_no_object_is_unavailable(client: Client, faulty: FaultyServer, body: str) -> None:
    """A login page or a truncated answer with code 200 causes an ApiError, not a crash."""
    faulty.answers = [says(200, body=body)]
    with pytest.raises(Unavailable):
        await client.get(PODS, "ns", "x")


@pytest.mark.parametrize("line", ["[]", "null", '{"kind": "Status"}', '{"type": "ADDED"}'])
async def test_a_watch_line_that_is_no_event_is_unavailable(client: Client, faulty: FaultyServer, line: str) -> None:
    """A line other than {type, object} ends the watch with an ApiError, so that the reflector lists again."""
    faulty.answers = [watching(then=line + "\n")]
    with pytest.raises(Unavailable):
        await follow(client)


async def test_events_of_any_size_arrive(client: Client, faulty: FaultyServer) -> None:
    """A 1.5 MB object that JSON must escape is a line of 9 MB; it arrives, and so do the small ones around it."""
    big = event("MODIFIED", "big", "2")
    big["object"]["text"] = "\x01" * 1_500_000
    faulty.answers = [watching(event("ADDED", "a", "1"), big, event("ADDED", "b", "3"))]
    assert await follow(client) == ["a", "big", "b"]


async def test_a_list_that_expires_between_its_pages_is_read_in_one(client: Client, faulty: FaultyServer) -> None:
    """After an expired page the list is read in one request, which cannot expire, instead of in pages for ever."""
    faulty.answers = [listing("a", token="t"), says(410, "Expired"), listing("a", "b", version="12")]
    found = await client.list_all(PODS)
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert [("limit" in asked, "continue" in asked) for asked in faulty.asked] == [(True, False), (True, True), (False, False)]


async def test_a_large_list_that_always_expires_is_given_up(
    client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that is too large for one page restarts in pages a few times; then the reflector gets the error and backs off."""
    monkeypatch.setattr(clients, "WHOLE_BYTES", 10)
    faulty.answers = [listing("a", token="t"), says(410, "Expired"), listing("a", "b")] * 5
    with pytest.raises(Gone):
        await client.list_all(PODS)
    assert ["limit" in asked for asked in faulty.asked] == [True, True, False] * 3 + [True, True]


async def test_a_page_with_too_many_bytes_is_asked_for_with_fewer_objects(
    client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client stops reading a heavy page. It accepts a single object of any size, and then the pages grow again."""
    monkeypatch.setattr(clients, "PAGE_BYTES", 400)
    heavy = listing(*(f"{number}-{'x' * 80}" for number in range(9)))
    faulty.answers = [heavy, heavy, heavy, listing("x" * 500, token="t"), listing("a", token="u"), listing("b")]
    found = await client.list_all(PODS)
    assert [item["metadata"]["name"][:1] for item in found.items] == ["x", "a", "b"]
    limits = [int(re.findall(r"limit=(\d+)", asked)[0]) for asked in faulty.asked]
    assert limits == [500, 62, 7, 1, 2, 4]


@pytest.mark.parametrize("empty", [None, []])
async def test_an_empty_list_may_be_null(client: Client, faulty: FaultyServer, empty: object) -> None:
    """Go encodes an empty list as null."""
    faulty.answers = [says(200, body=json.dumps({"items": empty, "metadata": {"resourceVersion": "7"}}))]
    assert await client.list_all(PODS) == ([], "7")


@pytest.mark.parametrize("error", [OSError("gone"), ConfigException("Token file exists but empty.")])
async def test_an_unreadable_token_is_an_api_error(client: Client, faulty: FaultyServer, error: Exception) -> None:
    """A token file that is being replaced fails one request, not the operator."""

    async def refuse() -> str:
        raise error

    object.__setattr__(client.sender._connection, "authorization", refuse)
    with pytest.raises(Unauthorized, match=str(error)):
        await client.get(PODS, "ns", "x")
    assert faulty.asked == []


@pytest.mark.parametrize(
    ("call", "repeats"),
    [
        (lambda c: c.create(PODS, "ns", {}), 1),
        (lambda c: c.json_patch(PODS, "ns", "x", []), 1),
        (lambda c: c.merge_patch(PODS, "ns", "x", {}), 1),
        (lambda c: c.replace(PODS, "ns", "x", {}), 2),
        (lambda c: c.delete(PODS, "ns", "x", uid="u"), 2),
    ],
    ids=["POST", "JSON PATCH", "MERGE PATCH", "PUT", "DELETE"],
)
async def test_writes_on_a_dropped_connection(client: Client, faulty: FaultyServer, call: Call, repeats: int) -> None:
    """A POST or PATCH reaches the server once.

    aiohttp repeats a PUT or DELETE once if a kept connection turns out to be dropped; the resourceVersion or UID makes the
    duplicate fail with Conflict or NotFound.
    """
    faulty.answers = [says(200, body="{}"), *[drop] * 10]
    await client.get(PODS, "ns", "x")
    with pytest.raises(Unavailable):
        await call(client)
    assert len(faulty.asked) - 1 == repeats


async def test_a_watch_left_early_gives_its_connection_back(client: Client, faulty: FaultyServer) -> None:
    """A consumer that leaves the watch, or is cancelled, leaves no connection behind."""
    begun = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(json.dumps(event("ADDED", "a", "1")).encode() + b"\n")
        begun.set()
        await asyncio.Event().wait()
        return response

    faulty.answers = [endless, endless]
    events = client.watch(PODS, None, "1")
    await anext(events)
    await events.aclose()
    begun.clear()
    task = asyncio.create_task(follow(client))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    session = client.sender._transport._session
    assert session
    assert session.connector
    assert not session.connector._acquired


async def test_every_request_is_observed(faulty: FaultyServer, client: Client) -> None:
    """Reads, lists, watches and failures are counted by verb, resource and code; code 0 means that no answer came."""
    seen: list[tuple[str, str, int]] = []
    client.sender.observe = lambda verb, resource, code, seconds: seen.append((verb, resource, code))
    faulty.answers = [says(200, body="{}"), listing(), watching(), says(404, "NotFound"), drop, says(403, "Forbidden")]
    await client.get(PODS, "ns", "x")
    await client.list_all(PODS)
    await follow(client)
    for call in (client.get(PODS, "ns", "x"), client.create(PODS, "ns", {}), follow(client)):
        with pytest.raises(ApiError):
            await call
    codes = [("GET", 200), ("LIST", 200), ("WATCH", 200), ("GET", 404), ("POST", 0), ("WATCH", 403)]
    assert seen == [(verb, "pods", code) for verb, code in codes]


async def test_a_request_uses_no_thread(client: Client, faulty: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request uses a thread to look up ~/.netrc and the environment: that would cost three times the CPU of the request."""
    used: list[object] = []
    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", lambda self, *what: used.append(what))
    faulty.answers = [says(200, body="{}")]
    async with asyncio.timeout(5):
        await client.get(PODS, "ns", "x")
    assert used == []
