"""kopf keeps the watches alive, and its session passes the objects to the sinks: a contract with kopf, kept by bookmarks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.kube import kopf_watch
from controller.kube.client import Client
from controller.kube.connection import Connection
from controller.kube.resources import RUNS
from tests.unit.kube.faults import GONE, FaultyServer, Told, event, listing, watching

BROKEN = {"type": "ERROR", "object": {"code": 500, "reason": "InternalError", "message": "because"}}


class Sink(Told):
    """A sink that records the events, and the tasks that bring them. It fails for an object of one name."""

    def __init__(self, enough: int = 99, fails_for: str = "") -> None:
        super().__init__(enough)
        self.tasks: set[asyncio.Task[Any] | None] = set()
        self._fails_for = fails_for

    def note(self, *call: Any) -> None:
        self.tasks.add(asyncio.current_task())
        if call[-1] == self._fails_for:
            raise LookupError(f"because of {call[-1]}")
        super().note(*call)


@asynccontextmanager
async def kopf_watching(
    connection: Connection, client: Client, sink: Sink, subscribed: str | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Run kopf over all namespaces, while its session knows the watch of `subscribed` (None: of all)."""
    registry = kopf_watch.build_registry({RUNS: sink}, connection, client, (subscribed,))
    task = asyncio.create_task(kopf_watch.watch(registry, (), asyncio.Event()))
    try:
        async with asyncio.timeout(20):
            yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the server or the log does; neither can signal."""
    while not condition():
        await asyncio.to_thread(lambda: None)


async def test_events_reach_the_sink_in_one_task(connection: Connection, client: Client, faulty: FaultyServer) -> None:
    """Each event comes once, in order, from the task of the watch: kopf's path would take a task for each object."""
    sink = Sink(enough=5)
    events = [event("ADDED", "b", "11"), event("MODIFIED", "a", "12"), event("DELETED", "b", "13")]
    faulty.answers = [listing("a"), watching(*events)]
    async with kopf_watching(connection, client, sink):
        await until(lambda: len(faulty.asked) == 3)
    assert sink.calls == [("upsert", "a"), ("retain", {"a"}, "10"), ("upsert", "b"), ("upsert", "a"), ("remove", "b")]
    assert len(sink.tasks) == 1, "kopf's own path brought events"


@pytest.mark.parametrize(
    "rest",
    ["", '{"type":"MODIF', "<html>\n", '{"type":"ADDED"}\n', '{"type":"ADDED","object":{"metadata":1}}\n'],
    ids=["end", "truncated", "page", "no object", "no metadata"],
)
async def test_a_watch_resumes_after_the_last_event(
    connection: Connection, client: Client, faulty: FaultyServer, rest: str
) -> None:
    """A watch that ends, in whatever way, is followed by one from the last version that reached the sink or was bookmarked."""
    bookmark = event("BOOKMARK", "", "21")
    faulty.answers = [listing("a"), watching(event("ADDED", "b", "11"), then=rest), watching(bookmark, then=rest)]
    async with kopf_watching(connection, client, Sink()):
        await until(lambda: len(faulty.asked) == 4)
    assert ["resourceVersion=10" in faulty.asked[1], "resourceVersion=11" in faulty.asked[2]] == [True, True]
    assert "resourceVersion=21" in faulty.asked[3]


async def test_a_version_that_is_too_old_is_listed_again(connection: Connection, client: Client, faulty: FaultyServer) -> None:
    """After 410 Gone a list replaces what the sink has; objects that vanished meanwhile are removed from it."""
    sink = Sink()
    faulty.answers = [listing("a", "b"), watching(GONE), listing("b", version="30")]
    async with kopf_watching(connection, client, sink):
        await until(lambda: len(faulty.asked) == 4)
    assert sink.calls[-1] == ("retain", {"b"}, "30")
    assert "resourceVersion=30" in faulty.asked[3]


async def test_another_error_ends_the_watcher(connection: Connection, client: Client, faulty: FaultyServer) -> None:
    """An error event that is no 410 ends kopf, and with it the operator, with the server's words."""
    faulty.answers = [listing("a"), watching(BROKEN)]
    async with kopf_watching(connection, client, Sink()) as task:
        with pytest.raises(Exception, match="because"):
            await task


async def test_an_error_of_one_object_affects_only_that_one(
    connection: Connection, client: Client, faulty: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is logged with the object's name, the watch goes on, and the object is not asked for again."""
    sink = Sink(fails_for="bad")
    faulty.answers = [listing("a"), watching(event("ADDED", "bad", "11"), event("DELETED", "bad", "12"), event("ADDED", "b", "13"))]
    async with kopf_watching(connection, client, sink):
        await until(lambda: len(faulty.asked) == 3)
    assert sink.calls[2:] == [("upsert", "b")]
    assert "resourceVersion=13" in faulty.asked[2]
    assert "because of bad" in capsys.readouterr().out


async def test_a_watch_that_the_session_does_not_recognise_is_not_lost(
    connection: Connection, client: Client, faulty: FaultyServer
) -> None:
    """Its events come to the same sink, on kopf's own path."""
    sink = Sink()
    faulty.answers = [listing("a"), watching(event("ADDED", "b", "11"), event("DELETED", "a", "12"))]
    async with kopf_watching(connection, client, sink, subscribed="elsewhere"):
        await until(lambda: len(sink.calls) == 3)
    assert sorted(sink.calls) == [("remove", "a"), ("upsert", "a"), ("upsert", "b")]
    assert len(sink.tasks) > 1


async def test_it_ends_when_it_is_cancelled(connection: Connection, client: Client, faulty: FaultyServer) -> None:
    """A cancelled watch ends in the midst of a stream, and leaves no task behind."""
    sink = Sink(enough=3)
    faulty.answers = [listing("a"), watching(event("ADDED", "b", "11"), endless=True)]
    async with kopf_watching(connection, client, sink) as task:
        await sink.satisfied.wait()
    assert task.cancelled()
    assert not sink.tasks & asyncio.all_tasks()
