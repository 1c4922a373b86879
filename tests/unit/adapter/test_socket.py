"""The socket: who may connect, which paths are replaced, and how a client handles a server that does not speak as an adapter."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from controller.adapter.client import MAX_SCRAPE_BYTES, SocketAdvisor, scrape
from controller.adapter.contract import Ended, Reply, Request
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.server import SOCKET_MODE, SocketTaken, adapter_app, serve_socket
from controller.adapter.wire import CONSULT, MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from controller.observability.exposition import metrics_pages, of_registry
from controller.observability.health import health_pages
from tests.unit.adapter.scripts import request

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Fixed:
    """An advisor with one reply."""

    async def consult(self, request: Request) -> Reply:
        """Reply."""
        return Reply(Ended.ANSWERED, request.prompt.encode())


def app() -> web.Application:
    """Return an adapter that echoes."""
    return adapter_app(Fixed(), health_pages({"loop": lambda: None}, {"commands": lambda: "none is registered"}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the socket goes."""
    return tmp_path / "a.sock"


async def test_owner_and_group_may_connect(path: Path) -> None:
    """Only the owner and the group may connect, for every umask; the socket is removed afterwards."""
    async with serve_socket(app(), path):
        assert stat.S_IMODE(os.stat(path).st_mode) == SOCKET_MODE
    assert path.name not in os.listdir(path.parent)


async def test_stale_socket_is_replaced(path: Path) -> None:
    """The socket of a killed adapter is replaced."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serve_socket(app(), path):
        assert (await SocketAdvisor(path).consult(request("c"))).output == b"why?"


async def test_taken_path_is_left_alone(path: Path) -> None:
    """The socket of a running adapter, and a file of another kind, are not replaced."""
    async with serve_socket(app(), path):
        with pytest.raises(SocketTaken, match="another adapter"):
            await serve_socket(app(), path).__aenter__()
        assert (await SocketAdvisor(path).consult(request("c"))).ended is Ended.ANSWERED
    os.mkfifo(path)
    with pytest.raises(SocketTaken, match="not a socket"):
        await serve_socket(app(), path).__aenter__()
    assert path.name in os.listdir(path.parent)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error names the option, the path and the remedy."""
    with pytest.raises(SocketTaken, match=r"--socket: .*/nowhere/a\.sock cannot be created .*: create its folder"):
        async with serve_socket(web.Application(), tmp_path / "nowhere/a.sock"):
            pass


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [(b'{"argv": []}', 400, "argv: "), (b"nonsense", 400, "body: "), (b" " * (MAX_REQUEST_BYTES + 1), 413, "")],
    ids=["a field too many", "no JSON", "too large"],
)
async def test_other_bodies_are_refused(path: Path, body: bytes, status: int, told: str) -> None:
    """A body that does not parse as a request gets an error status and the name of the field."""
    async with serve_socket(app(), path), _session(path) as session:
        response = await session.post(f"http://a{CONSULT}", data=io.BytesIO(body))
        assert response.status == status
        assert told in await response.text()


async def test_health_is_told_over_the_socket(path: Path) -> None:
    """The adapter reports over the socket that it is alive, and gives the reason when it is not ready."""
    async with serve_socket(app(), path), _session(path) as session:
        async with session.get("http://a/livez") as response:
            assert response.status == 200
        async with session.get("http://a/readyz") as response:
            assert (response.status, "none is registered" in await response.text()) == (503, True)


async def _hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _drop(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readline()


def _say(said: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}}")
        writer.write(said)
        await writer.drain()

    return talk


def _http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "talk",
    [
        _hang,
        _drop,
        _say(b"SSH-2.0-OpenSSH\r\n"),
        _say(_http(b"{")),
        _say(_http(b'{"ended": "Answered"}')),
        _say(_http(b"no", "400 Bad Request")),
        _say(_http(b"no", "302 Found\r\nLocation: http://elsewhere/")),
        _say(_http(b"x" * (MAX_REPLY_BYTES + 1))),
        _say(_http(b"{}")[:-1]),
    ],
    ids=["hangs", "drops", "no http", "half", "fields missing", "refuses", "redirects", "too long", "cut"],
)
async def test_whatever_answers_wrongly_is_unreachable(path: Path, talk: Talk) -> None:
    """The client needs no cooperation from the server: it returns a reply within its own time limit."""
    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        hung_up.set()

    async with await asyncio.start_unix_server(serve, str(path)):
        reply = await SocketAdvisor(path).consult(request("c", timeout_seconds=1))
        await hung_up.wait()
    assert (reply.ended, reply.output) == (Ended.UNREACHABLE, b"")
    assert str(path) in reply.detail


async def test_nobody_there_is_unreachable_until_there_is(path: Path) -> None:
    """A missing socket and a socket without a process are unreachable; the same client works once the adapter is back."""
    advisor = SocketAdvisor(path)
    assert (await advisor.consult(request("c"))).ended is Ended.UNREACHABLE
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert (await advisor.consult(request("c"))).ended is Ended.UNREACHABLE
    for _ in range(2):
        async with serve_socket(app(), path):
            assert (await advisor.consult(request("c"))).ended is Ended.ANSWERED


@asynccontextmanager
async def _session(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
        yield session


async def test_its_metrics_are_read_over_the_socket(path: Path) -> None:
    """The operator reads only the adapter's own series; the adapter cannot publish any in the operator's name."""
    registry = CollectorRegistry()
    AdapterMetrics(registry).waiting.set(3)
    Gauge("runwatchman_leader", "A lie.", registry=registry).set(1)
    ProcessCollector(registry=registry)
    async with serve_socket(adapter_app(Fixed(), metrics_pages(of_registry(registry))), path):
        text = (await scrape(path)).decode()
    families = {family.name for family in text_string_to_metric_families(text)}
    assert "runwatchman_advisor_waiting 3.0" in text
    assert all(name.startswith("runwatchman_advisor_") for name in families)
    assert await scrape(path) == b""


@pytest.mark.parametrize("length", [MAX_SCRAPE_BYTES + 1, 0])
async def test_metrics_that_are_too_many_are_left_out(path: Path, length: int) -> None:
    """A faulty adapter cannot fill the operator's metrics."""

    async def large() -> bytes:
        return b"runwatchman_advisor_x 1\n" + b"#" * length

    async with serve_socket(adapter_app(Fixed(), metrics_pages(large)), path):
        assert (await scrape(path) == b"") is bool(length)
