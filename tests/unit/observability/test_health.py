"""The health endpoints, as a kubelet and a person with curl see them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from controller.observability.health import STALLED_SECONDS, Pulse, health_pages
from controller.observability.server import serve
from tests.skipping import cannot_run
from tests.unit.observability.asking import ask

Check = Callable[[], str | None]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_each_check_is_listed_with_its_reason(stack: AsyncExitStack) -> None:
    """A failing check gives 503 and its reason, and no failing check 200; liveness has its own set of checks."""
    reasons: dict[str, str | None] = {"caches": "the first lists are not complete"}
    pages = health_pages({"loop": lambda: None}, {"lease": lambda: None, "caches": lambda: reasons["caches"]})
    port = await stack.enter_async_context(serve(pages, "127.0.0.1", 0))
    assert await ask(port, "/livez") == (200, "[+]loop ok\nok\n")
    failed = "[+]lease ok\n[-]caches failed: the first lists are not complete\nnot ok\n"
    assert await ask(port, "/readyz") == (503, failed)
    reasons["caches"] = None
    assert await ask(port, "/readyz") == (200, "[+]lease ok\n[+]caches ok\nok\n")


def broken() -> str | None:
    raise RuntimeError("no such thing")


@pytest.mark.parametrize(("check", "words"), [(lambda: "", "failed"), (broken, "failed: RuntimeError: no such thing")])
async def test_a_check_that_breaks_has_failed(stack: AsyncExitStack, check: Check, words: str) -> None:
    """An empty reason and an exception are failures too; the other checks still answer."""
    port = await stack.enter_async_context(serve(health_pages({}, {"odd": check, "fine": lambda: None}), "127.0.0.1", 0))
    status, text = await ask(port, "/readyz")
    assert status == 503
    assert f"[-]odd {words}" in text
    assert "[+]fine ok" in text


async def test_ports_come_and_go(stack: AsyncExitStack) -> None:
    """Port 0 picks a free port, a taken one raises OSError at once, and no listener remains after the end."""
    port = await stack.enter_async_context(serve(health_pages({}, {}), "127.0.0.1", 0))
    with pytest.raises(OSError, match="in use"):
        await stack.enter_async_context(serve(health_pages({}, {}), "127.0.0.1", port))
    await stack.aclose()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(port, "/livez")


async def test_all_addresses_means_both_families(stack: AsyncExitStack) -> None:
    """`--listen ::` answers probes over IPv4 too, as everywhere else in Kubernetes."""
    if not socket.has_dualstack_ipv6():
        cannot_run("this machine has no dual-stack sockets")
    port = await stack.enter_async_context(serve(health_pages({}, {}), "::", 0))
    assert (await ask(port, "/livez"))[0] == 200
    assert (await ask(port, "/livez", "[::1]"))[0] == 200


async def test_all_addresses_on_a_machine_without_ipv6(stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """There `--listen ::` means every address of IPv4, so that one option fits every cluster."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    port = await stack.enter_async_context(serve(health_pages({}, {}), "::", 0))
    assert (await ask(port, "/livez"))[0] == 200
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(port, "/livez", "[::1]")


def test_a_stalled_loop_is_told() -> None:
    """Liveness fails, with the time, once the loop has not turned for too long."""
    now = 0.0
    pulse = Pulse(lambda: now)
    assert pulse.check() is None
    now = STALLED_SECONDS + 1
    assert pulse.check() == "the event loop has been blocked for 31 s"
