"""A port under attack: connections are few and short, and neither this loop nor another port is delayed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from aiohttp import web

from controller.observability.certificate import SelfSigned
from controller.observability.health import health_pages
from controller.observability.server import Bounds, serve
from tests.support import eventually
from tests.unit.observability.asking import ask

HEALTH = health_pages({"loop": lambda: None}, {"loop": lambda: None})
MANY = 300
"""More connections than a port has places, and fewer than any limit of open files."""
SHORT = Bounds(seconds=0.5)
PATIENT = Bounds(seconds=600)


@contextmanager
def held(port: int, number: int, says: bytes) -> Iterator[list[socket.socket]]:
    """Hold connections that send some bytes and then stop."""
    with ExitStack() as stack:
        made = []
        for _ in range(number):
            made.append(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            made[-1].sendall(says)
        yield made


def ended(connection: socket.socket) -> bool:
    """Whether the other side has hung up."""
    connection.setblocking(False)
    try:
        return connection.recv(1024) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def all_ended(connections: list[socket.socket]) -> bool:
    """Whether the other side has hung up on all."""
    return all(map(ended, connections))


@pytest.mark.parametrize("says", [b"", b"GET /livez HTTP/1.1\r\nX-Slow: ", b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
async def test_held_connections_shut_nobody_out(says: bytes) -> None:
    """A port keeps only its number of idle connections, the latest ones; the next client is answered."""
    async with serve(HEALTH, "127.0.0.1", 0, bounds=PATIENT) as port:
        with held(port, MANY, says) as made:
            assert (await ask(port, "/livez"))[0] == 200
            await eventually(lambda: sum(map(ended, made)) >= MANY - PATIENT.connections, "the earliest to be closed")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_lives_for_a_moment_only(tls: bool) -> None:
    """A connection that is slow with its headers or its handshake is closed when its time is over."""
    source = SelfSigned(("localhost",)) if tls else None
    async with serve(HEALTH, "127.0.0.1", 0, source, SHORT) as port:
        with held(port, 3, b"\x16\x03\x01" if tls else b"GET /livez HTTP/1.1\r\n") as made:
            await eventually(partial(all_ended, made), "all of them to be closed")
        assert (await ask(port, "/livez", scheme="https" if tls else "http"))[0] == 200


async def test_an_answer_ends_its_connection() -> None:
    """No connection is kept for a second request."""
    async with serve(HEALTH, "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        text = (await reader.read()).decode()
        assert text.startswith("HTTP/1.1 200 OK\r\n")
        assert "Connection: close" in text
        writer.close()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/livez", 405), ("HEAD", "/livez", 200)])
async def test_what_is_no_page_is_refused(method: str, path: str, status: int) -> None:
    """Only a GET or HEAD of a page is answered by the page."""
    async with serve(HEALTH, "127.0.0.1", 0) as port:
        assert (await ask(port, path, method=method))[0] == status


async def test_a_page_that_breaks_is_a_500() -> None:
    """A bug in one page gives a 500, and the port continues."""

    async def broken(_: web.BaseRequest) -> web.Response:
        raise RuntimeError("a bug")

    async with serve({"/broken": broken, **HEALTH}, "127.0.0.1", 0) as port:
        assert (await ask(port, "/broken"))[0] == 500
        assert (await ask(port, "/livez"))[0] == 200


async def test_nonsense_is_refused_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """Input that is neither HTTP nor TLS closes the connection without a log line."""
    async with serve(HEALTH, "127.0.0.1", 0) as plain, serve(HEALTH, "127.0.0.1", 0, SelfSigned(("localhost",))) as secure:
        for port in (plain, secure):
            with held(port, 20, b"\x00\xff" * 100 + b"\r\n\r\n") as made:
                await eventually(partial(all_ended, made), "all of them to be closed")
    assert capfd.readouterr().err == ""


async def test_a_loop_that_stands_still_is_seen_by_probes() -> None:
    """A port answers while the operator's loop is blocked: probes get the reason instead of a timeout."""
    answered = threading.Event()
    async with serve(HEALTH, "127.0.0.1", 0) as port:

        def probe() -> None:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                if connection.recv(1024).startswith(b"HTTP/1.1 200"):
                    answered.set()

        thread = threading.Thread(target=probe)
        thread.start()
        assert answered.wait(60)  # this blocks the loop
        thread.join()


async def test_closing_a_port_closes_its_connections() -> None:
    """Closing a port leaves no connection and no thread behind, even with requests in flight."""
    async with serve(HEALTH, "127.0.0.1", 0, bounds=PATIENT) as port:
        keeper = held(port, 5, b"GET ")
        made = keeper.__enter__()
        assert (await ask(port, "/livez"))[0] == 200
    await eventually(partial(all_ended, made), "all of them to be closed")
    keeper.__exit__(None, None, None)
    assert f"port {port}" not in [thread.name for thread in threading.enumerate()]
