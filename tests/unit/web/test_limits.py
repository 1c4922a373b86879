"""Bounds on what one person, or somebody without a session, can hold: slow and idle connections, forms, requests and streams."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from controller.cli.web import api_access, caller, connection_limits, door, event_stream, page_server, running
from controller.cli.web.api_access import ApiServer
from controller.cli.web.cluster_server import Settings, application
from controller.cli.web.event_stream import EventStream
from tests.browser.recorded import recorded
from tests.unit.web.clients import logged_in
from tests.unit.web.rendering import read

SOON = 0.3
"""A limit in seconds that a test waits for."""

FILES = 1024
"""Files that a process may open where nobody has raised the limit."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """Serve the page in the cluster's form, and yield its port."""
    opened = socket.create_server(("127.0.0.1", 0))
    port, ready = opened.getsockname()[1], asyncio.Event()
    settings = Settings(ApiServer("http://localhost:1"), (), "127.0.0.1", 0, None, "", 600.0, json_log=True)
    task = asyncio.create_task(running.serve(application(settings, port), opened, ready.set))
    await ready.wait()
    try:
        yield port
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def connect(stack: AsyncExitStack, port: int, words: str = "") -> Streams:
    """Open a connection, and send something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    writer.write(words.replace("\n", "\r\n").encode())
    return reader, writer


PROBE = "GET /healthz HTTP/1.1\nHost: x\n\n"
OUR_FORM = (
    "POST /login HTTP/1.1\nHost: localhost:{}\nSec-Fetch-Site: same-origin\nContent-Type: application/x-www-form-urlencoded\n"
)


@pytest.mark.parametrize(
    "words",
    ["", "GET / HTTP/1.1\nHost: loc", PROBE, f"{PROBE}GET / HTTP/1.1\nHost: loc"],
    ids=["silent", "slow headers", "idle", "slow headers of a second request"],
)
async def test_a_connection_without_a_whole_request_is_closed(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """New ones, and those that had a request before."""
    monkeypatch.setattr(running, "IDLE_SECONDS", SOON)
    async with served() as port, AsyncExitStack() as stack:
        reader, _ = await connect(stack, port, words)
        assert (await reader.read()).count(b"200 OK") == words.count(PROBE)


async def test_a_form_that_does_not_arrive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so in words."""
    monkeypatch.setattr(door, "FORM_SECONDS", SOON)
    async with served() as port, AsyncExitStack() as stack:
        reader, _ = await connect(stack, port, OUR_FORM.format(port) + "Content-Length: 100\n\ncsrf=")
        answer = (await reader.readuntil(b"</html>")).decode()
    assert "HTTP/1.1 408" in answer
    assert "did not arrive within" in read(answer).text


async def test_an_idle_connection_gives_way_to_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody locks others out by holding connections: the oldest idle one is closed."""
    monkeypatch.setattr(connection_limits, "MAX_CONNECTIONS", 3)
    async with served() as port, AsyncExitStack() as stack:
        first, *others = [await connect(stack, port) for _ in range(3)]
        reader, _ = await connect(stack, port, PROBE)
        assert (await reader.readline()).endswith(b" 200 OK\r\n")
        assert await first[0].read() == b""
        for each in others:
            each[1].write(PROBE.replace("\n", "\r\n").encode())
            assert (await each[0].readline()).endswith(b" 200 OK\r\n")


async def test_too_many_requests_are_refused_and_a_probe_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes too late reads that; the pod is not restarted for being busy."""
    monkeypatch.setattr(connection_limits, "MAX_REQUESTS", 1)
    async with served() as port, AsyncExitStack() as stack:
        await connect(stack, port, OUR_FORM.format(port) + "Content-Length: 100\n\ncsrf=")
        refused, _ = await connect(stack, port, f"GET /login HTTP/1.1\nHost: localhost:{port}\n\n")
        answer = (await refused.readuntil(b"</html>")).decode()
        probed, _ = await connect(stack, port, PROBE)
        assert (await probed.readline()).endswith(b" 200 OK\r\n")
    assert "HTTP/1.1 503" in answer
    assert "1 requests are under way" in answer


@pytest.mark.parametrize(
    ("bound", "code", "words"),
    [
        ("MAX_STREAMS", HTTPStatus.TOO_MANY_REQUESTS, "1 live pages of yours are open: close some"),
        ("MAX_ALL_STREAMS", HTTPStatus.SERVICE_UNAVAILABLE, "1 live pages are open: try again later"),
    ],
)
async def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch, bound: str, code: HTTPStatus, words: str) -> None:
    """Those of a user, and those of all; a stream that ends makes room, and pages are served meanwhile."""
    monkeypatch.setattr(caller, bound, 1)
    async with logged_in(recorded()) as client:
        async with client.get("/live/") as stream:
            assert stream.status == HTTPStatus.OK
            refused = await client.get("/live/inbox")
            assert (refused.status, words in await refused.text()) == (code, True)
            assert (await client.get("/inbox")).status == HTTPStatus.OK
        while (await client.get("/live/inbox")).status != HTTPStatus.OK:
            continue


async def test_a_user_with_many_namespaces_in_view_holds_few_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each watch is a connection to the API server that others need, too."""
    monkeypatch.setattr(caller, "MAX_WATCHES", 1)
    async with logged_in(recorded()) as client:
        assert (await client.get("/")).status == HTTPStatus.OK
        assert "you look at too many namespaces at a time" in await (await client.get("/inbox")).text()


async def test_a_browser_that_takes_nothing_loses_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffers are full, and it reads no more."""
    monkeypatch.setattr(event_stream, "SEND_SECONDS", SOON)
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        events = EventStream(request)
        await events.begin()
        try:
            while True:
                await events.send("live", ["x" * 1_000_000])
        except ConnectionError as error:
            ended.set_result(str(error))
        return events.response

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client, client.get("/"):
        assert await ended == "the browser takes nothing"


def test_the_bounds_fit_each_other_and_the_docs() -> None:
    """Busy connections alone never fill the server, streams alone never take all requests, and the docs have the numbers."""
    assert caller.MAX_ALL_STREAMS < connection_limits.MAX_REQUESTS < connection_limits.MAX_CONNECTIONS
    assert connection_limits.MAX_CONNECTIONS + api_access.CONNECTIONS < FILES
    rows = (
        f"| {connection_limits.IDLE_SECONDS:.0f} s; {connection_limits.HANDSHAKE_SECONDS:.0f} s for the handshake of TLS |",
        f"| connections | {connection_limits.MAX_CONNECTIONS} |",
        f"| requests under way | {connection_limits.MAX_REQUESTS}, streams among them |",
        f"| a form | {door.FORM_SECONDS:.0f} s, {page_server.MAX_FORM >> 10} KiB |",
        f"| live pages and logs | {caller.MAX_STREAMS} of a user, {caller.MAX_ALL_STREAMS} in all |",
        f"takes nothing of a stream | {event_stream.SEND_SECONDS:.0f} s |",
        f"| watches of the API server | {caller.MAX_WATCHES} of a session's token |",
    )
    docs = (Path(__file__).parents[3] / "docs/web.md").read_text()
    assert [row for row in rows if row not in docs] == []
