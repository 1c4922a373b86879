"""The sender's process against real listeners that it must not reach, and against endpoints that fail in every way."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from controller.api.notification import NotificationEvent
from controller.cli.operator import operator
from controller.notify.delivery_result import NOT_DELIVERED, Outcome, Result
from controller.notify.message import Level, Message
from controller.notify.sender_process import Senders
from controller.settings import NOTIFY_SCHEMES
from tests.endpoint import Endpoint

MESSAGE = Message(NotificationEvent.RUN_FINISHED, "team", "demo", "u1", Level.FAILURE, "a title", "a body")
SCHEMES = ("json", "jsons", "mailto", "mailtos")
MAIL = "{scheme}://user:hunter2@example.org:{port}?smtp=127.0.0.1&to=a@example.org{more}"


@pytest.fixture
async def senders() -> AsyncIterator[Senders]:
    """Senders that reach public addresses only."""
    async with Senders(SCHEMES) as started:
        yield started


@pytest.fixture
async def allowed() -> AsyncIterator[Senders]:
    """Senders that may use loopback."""
    async with Senders(SCHEMES, ("127.0.0.1",)) as started:
        yield started


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Yield a real listener; it takes connections even if the test does not accept them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        listener.setblocking(False)
        yield listener


def untouched(listener: socket.socket) -> bool:
    """Whether a listener had no connection."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0.0.0.0", "[::ffff:7f00:1]"],  # noqa: S104  # refused
)
async def test_loopback_is_not_reached_however_it_is_spelled(host: str, senders: Senders) -> None:
    """No spelling of the operator's own host opens a connection, and the tenant does not see the cause."""
    with listening() as listener:
        outcome = await senders.send(f"json://{host}:{listener.getsockname()[1]}/", MESSAGE)
        assert untouched(listener)
    assert outcome.result in {Result.UNUSABLE, Result.LATER}
    assert outcome.public_reason == NOT_DELIVERED


async def test_ipv6_loopback_is_not_reached(senders: Senders) -> None:
    """The same for IPv6."""
    with listening("::1") as listener:
        outcome = await senders.send(f"json://[::1]:{listener.getsockname()[1]}/", MESSAGE)
        assert untouched(listener)
    assert (outcome.result, outcome.public_reason) == (Result.UNUSABLE, NOT_DELIVERED)
    assert "::1, which is not public: use another, or allow it with --notify-allow" in outcome.why


async def test_mail_does_not_reach_loopback(senders: Senders) -> None:
    """The same rules hold for SMTP."""
    with listening() as listener:
        outcome = await senders.send(MAIL.format(scheme="mailtos", port=listener.getsockname()[1], more=""), MESSAGE)
        assert untouched(listener)
    assert outcome.result is Result.UNUSABLE


async def test_an_allowed_host_is_reached_at_its_port_alone() -> None:
    """The installer's list opens one port, and no other of the same host."""
    with Endpoint() as endpoint, listening() as listener:
        async with Senders(SCHEMES, (f"localhost:{endpoint.port}",)) as senders:
            assert await senders.send(f"json://localhost:{endpoint.port}/", MESSAGE) == Outcome(Result.SENT)
            assert (await senders.send(f"json://localhost:{listener.getsockname()[1]}/", MESSAGE)).result is Result.UNUSABLE
        assert untouched(listener)


REBINDS = """
import ipaddress, socket, sys
answers = ["8.8.8.8", "127.0.0.1"]
def rebind(host, port, *args, **options):
    address = answers.pop(0) if len(answers) > 1 else answers[0]
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
socket.getaddrinfo = rebind
socket.getaddrinfo("rebinds.example", 0)
from controller.notify import sender
sender.main()
"""
"""A sender whose resolver returns a public address first, and loopback from then on."""


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """The check covers the very address that the connection uses."""
    with listening() as listener:
        async with Senders(SCHEMES, command=(sys.executable, "-c", REBINDS)) as senders:
            outcome = await senders.send(f"json://rebinds.example:{listener.getsockname()[1]}/", MESSAGE)
        assert untouched(listener)
    assert outcome.result is Result.UNUSABLE


FOLLOWS = """
import json
from controller.notify.addresses import Allowed
from controller.notify.forks import serve
from controller.notify.guard import Guard
import requests
def work(order):
    order = json.loads(order)
    Guard(Allowed.of(order["allow"])).watch()
    try:
        requests.post(order["url"], json={})
    except requests.ConnectionError as error:
        why = "may not reach" if "may not reach" in str(error) else str(error)
        return json.dumps({"result": "refused", "why": why, "open": False}).encode()
serve(work)
"""
"""A sender that follows redirects, unlike ours."""


async def test_a_redirect_would_be_judged_too() -> None:
    """If the library followed a redirect, the guard would still block it."""
    with listening() as listener:
        inner = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with Endpoint(307, {"Location": inner}) as outer:
            follow = (sys.executable, "-c", FOLLOWS)
            async with Senders(SCHEMES, (f"localhost:{outer.port}",), command=follow) as senders:
                outcome = await senders.send(f"http://localhost:{outer.port}/", MESSAGE)
        assert untouched(listener)
        assert len(outer.messages) == 1
    assert outcome.why == "may not reach"


async def test_a_proxy_is_no_way_around(monkeypatch: pytest.MonkeyPatch, senders: Senders) -> None:
    """The installer's proxy is used for public addresses, and gets no request for others."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Endpoint() as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await senders.send("json://10.0.0.1/", MESSAGE)).result is Result.UNUSABLE
        assert proxy.messages == []
        assert await senders.send("json://8.8.8.8/", MESSAGE) == Outcome(Result.SENT)
        assert len(proxy.messages) == 1


async def test_the_proxy_is_that_of_the_operators_own_requests(monkeypatch: pytest.MonkeyPatch, allowed: Senders) -> None:
    """Senders read the proxy's variables as the operator does: an address of the machine itself is never proxied."""
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint() as proxy, Endpoint() as endpoint:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert await allowed.send(f"json://127.0.0.1:{endpoint.port}/", MESSAGE) == Outcome(Result.SENT)
        assert (len(proxy.messages), len(endpoint.messages)) == (0, 1)


async def test_every_failure_is_one_word_to_the_tenant(senders: Senders, allowed: Senders) -> None:
    """A closed port, an open one, each HTTP code, broken TLS, a dropped connection and a forbidden address look the same."""
    outcomes: list[Outcome] = []
    with Endpoint() as speaks, Endpoint(drops=True) as drops:
        outcomes.append(await senders.send(f"json://127.0.0.1:{speaks.port}/", MESSAGE))
        outcomes.append(await allowed.send(f"jsons://127.0.0.1:{speaks.port}/", MESSAGE))
        outcomes.append(await allowed.send(f"json://127.0.0.1:{drops.port}/", MESSAGE))
    for code in (401, 404, 503):
        with Endpoint(code) as refuses:
            outcomes.append(await allowed.send(f"json://127.0.0.1:{refuses.port}/", MESSAGE))
    outcomes.append(await allowed.send("json://127.0.0.1:1/", MESSAGE))
    outcomes.append(await allowed.send("json://no-such-name.invalid/", MESSAGE))
    assert {outcome.public_reason for outcome in outcomes} == {NOT_DELIVERED}
    assert len({outcome.why for outcome in outcomes}) > 4, "the operator's log tells them apart"


class ClearMail(socketserver.StreamRequestHandler):
    """A mail server without TLS: it records its input and accepts all of it."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, ClearMailServer)
        self.wfile.write(b"220 mail\r\n")
        for line in self.rfile:
            server.lines.append(line)
            if line.upper().startswith(b"EHLO"):
                self.wfile.write(b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"500 no\r\n")


class ClearMailServer(socketserver.ThreadingTCPServer):
    """The listener of the mail server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ClearMail)
        self.lines: list[bytes] = []


@pytest.mark.parametrize("more", ["", "&mode=insecure", "&mode=starttls"])
async def test_mail_never_goes_out_in_clear(more: str, allowed: Senders) -> None:
    """A server without STARTTLS receives neither credentials nor text, for any URL."""
    with ClearMailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        outcome = await allowed.send(MAIL.format(scheme="mailtos", port=server.server_address[1], more=more), MESSAGE)
        server.shutdown()
        thread.join()
    assert outcome.result is not Result.SENT
    assert not [line for line in server.lines if line[:4].upper() in {b"AUTH", b"MAIL", b"DATA"}]


def test_no_scheme_in_clear_by_default() -> None:
    """Only the installer can allow mail without TLS."""
    assert "mailto" not in NOTIFY_SCHEMES
    assert "mailtos" in NOTIFY_SCHEMES


def test_a_list_that_cannot_be_read_ends_the_start() -> None:
    """The operator refuses to start; the error has the entry and the remedy."""
    done = CliRunner().invoke(operator, ["--notify-allow", "10.1.2.0/24, 10.0.0.1/8"])
    assert done.exit_code == 2
    assert "'10.0.0.1/8' is not a network: write it as 10.1.2.0/24" in done.output
