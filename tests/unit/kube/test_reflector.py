"""The request rate of a reflector under faults: never a tight loop, and no endless retries that cannot succeed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.kube import reflector as reflecting
from controller.kube.client import Client
from controller.kube.errors import Forbidden, NotFound
from controller.kube.reflector import Reflector
from controller.kube.resources import PODS
from tests.unit.kube.faults import GONE, Answer, FaultyServer, Told, event, listing, says, watching


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses instead of sleeping, with jitter off. A yield to the event loop is not recorded."""
    made: list[float] = []
    real = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds:
            made.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    return made


class NoJitter:
    def uniform(self, _low: float, high: float) -> float:
        return high


def reflector(client: Client, sink: Told) -> Reflector:
    jitter: Any = NoJitter()
    return Reflector(client, PODS, [None], sink, jitter=jitter)


async def run_dry(faulty: FaultyServer, reflector: Reflector) -> None:
    """Reflect until every scripted answer is used and the next request hangs."""
    wanted = len(faulty.answers) + 1
    task = asyncio.create_task(reflector.run())
    async with asyncio.timeout(10):
        while len(faulty.asked) < wanted and not task.done():  # the server is not ours to signal from
            await asyncio.to_thread(lambda: None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "fault", [says(500, "InternalError"), watching(GONE), says(410, "Expired")], ids=["500", "410", "410 at once"]
)
async def test_lists_are_spaced_while_watches_fail(
    client: Client, faulty: FaultyServer, pauses: list[float], fault: Answer
) -> None:
    """Successful lists do not hide that each watch fails: a full list is expensive, so lists become rarer and rarer."""
    faulty.answers = [listing("a"), fault] * 5
    await run_dry(faulty, reflector(client, Told(99)))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]


async def test_a_watch_that_works_resets_the_pauses(client: Client, faulty: FaultyServer, pauses: list[float]) -> None:
    """After an event the next failure counts as the first again."""
    bad = [listing("a"), says(500, "InternalError")]
    faulty.answers = [*bad, *bad, listing("a"), watching(event("ADDED", "b", "11"), GONE), *bad]
    await run_dry(faulty, reflector(client, Told(99)))
    assert pauses == [1.0, 2.0, 1.0, 2.0]


async def test_pauses_are_bounded(client: Client, faulty: FaultyServer, pauses: list[float]) -> None:
    """The pause never exceeds the longest one, however long the failures last."""
    faulty.answers = [says(500, "InternalError")] * 12
    await run_dry(faulty, reflector(client, Told(99)))
    assert max(pauses) == reflecting.MAX_BACKOFF_SECONDS


@pytest.mark.parametrize(("code", "error"), [(403, Forbidden), (404, NotFound)])
async def test_a_right_to_list_but_not_to_watch_is_told(
    client: Client, faulty: FaultyServer, pauses: list[float], code: int, error: type[Exception]
) -> None:
    """If RBAC lacks the verb watch, the reflector ends with the reason: otherwise it would be deaf and look healthy."""
    faulty.answers = [listing("a"), says(code, "Forbidden")] * reflecting.HOPELESS_TRIES
    async with asyncio.timeout(10):
        with pytest.raises(ExceptionGroup) as caught:
            await reflector(client, Told(99)).run()
    assert isinstance(caught.value.exceptions[0], error)
    assert "WATCH" in str(caught.value.exceptions[0])


async def test_watches_that_close_at_once_are_spaced(client: Client, faulty: FaultyServer, pauses: list[float]) -> None:
    """A server that closes each watch immediately is not queried in a tight loop, and no event in between is lost."""
    sink = Told(99)
    faulty.answers = [listing("a"), watching(), watching(), watching(event("ADDED", "b", "11")), watching()]
    await run_dry(faulty, reflector(client, sink))
    assert all(pause >= 0.5 for pause in pauses)
    assert "resourceVersion=11" in faulty.asked[-1]
    assert ("upsert", "b") in sink.calls


async def test_a_bookmark_moves_the_start_of_the_next_watch(client: Client, faulty: FaultyServer, pauses: list[float]) -> None:
    """Bookmarks keep a quiet watch from becoming too old; the sink does not receive them."""
    sink = Told(99)
    faulty.answers = [listing("a"), watching(event("BOOKMARK", "", "500")), watching()]
    await run_dry(faulty, reflector(client, sink))
    assert "resourceVersion=500" in faulty.asked[2]
    assert sink.calls == [("upsert", "a"), ("retain", {"a"}, "10")]


async def test_synced_means_every_namespace(client: Client, faulty: FaultyServer, pauses: list[float]) -> None:
    """While one of two namespaces could not be listed, the reflector is not synced."""
    faulty.answers = [listing("a")]
    both = Reflector(client, PODS, ["one", "two"], Told(99))
    task = asyncio.create_task(both.run())
    async with asyncio.timeout(10):
        while len(faulty.asked) < 3:  # the server is not ours to signal from
            await asyncio.to_thread(lambda: None)
    assert not both.synced.is_set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
