"""The metrics exposition: how often it is made, in which thread, and with which values."""

from __future__ import annotations

import asyncio
import threading
from http import HTTPStatus

import pytest

from controller.observability.exposition import FRESH_SECONDS, Exposition, metrics_pages, of_registry
from controller.observability.guard import Guard, Refusal
from controller.observability.metrics import Metrics
from controller.observability.server import serve
from tests.unit.observability.asking import ask

GOOD = ("good",)


async def test_metrics_are_refreshed_and_readable() -> None:
    """The exposition has Prometheus' text format, with the values of the moment in which it is made."""
    metrics = Metrics()
    metrics.observe_request("GET", "pods", 200, 0.01)
    metrics.observe_request("GET", "pods", 0, 10.0)
    pages = metrics_pages(of_registry(metrics.registry, lambda: metrics.queue_depth.set(7)))
    async with serve(pages, "127.0.0.1", 0) as port:
        status, text = await ask(port, "/metrics")
    assert status == 200
    for line in (
        "runwatchman_workqueue_depth 7.0",
        'runwatchman_api_requests_total{code="0",resource="pods",verb="GET"} 1.0',
        'runwatchman_api_request_duration_seconds_count{verb="GET"} 2.0',
        "process_resident_memory_bytes",
    ):
        assert line in text
    assert 'runwatchman_build_info{kopf="' in text


async def test_it_is_made_once_however_many_ask() -> None:
    """A thousand requests at once, and those of the next moment, share one exposition; then a new one is made."""
    made, now = 0, 100.0

    async def make() -> bytes:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return b"%d" % made

    exposition = Exposition(make, lambda: now)
    assert set(await asyncio.gather(*(exposition.text() for _ in range(1000)))) == {b"1"}
    now += FRESH_SECONDS / 2
    assert await exposition.text() == b"1"
    now += FRESH_SECONDS
    assert await exposition.text() == b"2"


async def test_one_that_hangs_up_ends_nobody_elses() -> None:
    """An exposition is completed even if the first client disconnects; after a failure the next request makes a new one."""
    going, fails = asyncio.Event(), True

    async def make() -> bytes:
        await going.wait()
        if fails:
            raise RuntimeError("a collector broke")
        return b"text"

    exposition = Exposition(make)
    first, second = (asyncio.create_task(exposition.text()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    going.set()
    with pytest.raises(RuntimeError):
        await second
    fails = False
    assert await exposition.text() == b"text"


async def test_exposition_is_made_in_neither_this_loop_nor_the_ports() -> None:
    """A thread of its own makes the exposition: meanwhile the port answers and this loop turns."""
    where: list[str] = []
    registry = Metrics().registry
    pages = metrics_pages(of_registry(registry, lambda: where.append(threading.current_thread().name)))
    async with serve(pages, "127.0.0.1", 0) as port:
        await ask(port, "/metrics")
    assert where
    assert "MainThread" not in where
    assert f"port {port}" not in where


async def test_a_guard_stands_before_it() -> None:
    """A refused client gets the reason, and no exposition is made for it."""
    made: list[int] = []

    async def make() -> bytes:
        made.append(1)
        return b"secret"

    async def review(token: str) -> Refusal | None:
        return None if token in GOOD else Refusal(HTTPStatus.FORBIDDEN, "bind a role")

    async with serve(metrics_pages(make, Guard(review)), "127.0.0.1", 0) as port:
        assert (await ask(port, "/metrics"))[0] == 401
        assert await ask(port, "/metrics", token="bad") == (403, "bind a role\n")
        assert made == []
        assert await ask(port, "/metrics", token="good") == (200, "secret")
