"""The writer of providers' status: what it writes, how often, and what follows from a conflict."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import cast

import pytest

from controller.api.base import JsonObject
from controller.cache.provider_line import ProviderKey
from controller.cache.providers import Providers
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.kube.errors import Conflict
from controller.notify.message import discard
from controller.plan.snapshot import PodFacts
from controller.reconcile.budget_keeper import BudgetKeeper
from controller.reconcile.provider_writer import ProviderWriter
from tests.support import eventually
from tests.unit.test_providers import BROKEN, NOW, at_work, run_of


class Server:
    """The parts of an API server that the writer uses: it stores a status by compare-and-swap."""

    def __init__(self) -> None:
        self.cache, self.now, self.version = RunCache(lambda _: None), NOW, 0
        self.providers = self.cache.providers
        self.statuses: list[JsonObject] = []
        self.specs: dict[str, JsonObject] = {}
        self.events: list[str] = []
        self.conflicts = 0

    def server_now(self) -> datetime:
        return self.now

    def change(self, status: JsonObject, name: str = "claude", spec: JsonObject | None = None) -> JsonObject:
        """Store a status, and a spec, as the watch reports them."""
        self.specs[name] = self.specs.get(name, {}) if spec is None else spec
        self.version += 1
        meta = {"namespace": "ns", "name": name, "uid": name, "resourceVersion": str(self.version), "generation": 1}
        found = {"metadata": meta | {"creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": self.specs[name], "status": status}
        self.providers.objects.upsert(found)
        return found

    async def replace(self, _: object, __: str, ___: str, body: JsonObject, **____: object) -> JsonObject:
        if self.conflicts or body["metadata"]["resourceVersion"] != str(self.version):
            self.conflicts = max(0, self.conflicts - 1)
            raise Conflict("PUT providers", HTTPStatus.CONFLICT, "Conflict", "the object has been modified")
        self.statuses.append(body["status"])
        return self.change(body["status"], body["metadata"]["name"])

    async def create(self, _: object, __: str, body: JsonObject) -> JsonObject:
        self.events.append(body["reason"])
        return body


def work(server: Server, owned: bool = True) -> asyncio.Task[None]:
    """Start a writer."""
    client = cast(Client, server)
    writer = ProviderWriter(client, server.providers, BudgetKeeper(client, server.cache, discard), lambda _: owned)
    return asyncio.create_task(writer.run())


def see(providers: Providers, number: int, *pods: PodFacts) -> None:
    """Have the cache see a Run's pods."""
    providers.see(run_of(number), pods, [])


def new() -> Server:
    """Return a server with a provider that nobody has written."""
    server = Server()
    server.change({})
    return server


async def test_numbers_are_written_once_a_minute() -> None:
    """The first status is written at once. Agents that come and go cost one write a minute, and an equal status none."""
    server = new()
    task = work(server)
    await eventually(lambda: server.statuses, "the first status")
    for number in range(20):
        see(server.providers, number, at_work(run_of(number)))
        await asyncio.sleep(0)
    assert [status.get("activeAgents") for status in server.statuses] == [0]
    server.now += timedelta(seconds=61)
    see(server.providers, 20, at_work(run_of(20)))
    await eventually(lambda: len(server.statuses) == 2, "the numbers")
    assert server.statuses[-1]["activeAgents"] == 21
    assert server.events == []
    task.cancel()


async def test_a_conflict_is_followed_by_a_write_on_the_newer_version() -> None:
    """A status that another writer has stored meanwhile is not overwritten: the next write follows from it."""
    server = new()
    server.conflicts = 1
    task = work(server)
    await eventually(lambda: server.statuses, "the write")
    assert server.conflicts == 0
    server.change({"state": "Closed", "closedUntil": "2026-01-01T13:00:00Z", "closings": 3, "reason": "Quota"})
    await eventually(lambda: len(server.statuses) == 2, "the next write")
    assert (server.statuses[-1]["state"], server.statuses[-1]["closings"]) == ("Closed", 3)
    assert server.statuses[-1]["conditions"][0]["status"] == "False"
    task.cancel()


async def test_a_provider_that_cannot_be_read_says_so_and_keeps_its_counts() -> None:
    """Its condition and one Event name field, value and remedy. Its state and its sums stay until it is corrected."""
    server = new()
    window = {"budget": "daily", "start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "tokens": 7}
    counted = {"at": "2026-01-01T11:00:00Z"}
    before = {"state": "Closed", "closedUntil": "2026-01-01T13:00:00Z", "windows": [window], "counted": counted}
    server.change(before, spec=BROKEN)
    task = work(server)
    await eventually(lambda: server.events, "the Event")
    await eventually(lambda: server.statuses, "the status")
    [written] = server.statuses
    assert (written["state"], written["closedUntil"]) == (before["state"], before["closedUntil"])
    assert window.items() <= written["windows"][0].items()
    assert written["counted"]["at"] == counted["at"]
    conditions = {each["type"]: (each["status"], each["reason"]) for each in written["conditions"]}
    assert conditions == {"Open": ("False", "Unreadable"), "Ready": ("False", "Unreadable")}
    said = "spec.budgets[0].timeZone: must be an IANA time zone, for example Europe/Berlin (found 'Mars/Phobos')"
    assert [each["message"] for each in written["conditions"] if each["type"] == "Ready"] == [said]
    [budget] = BROKEN["budgets"]
    server.change(written, spec={"budgets": [budget | {"timeZone": "Etc/UTC"}]})
    await eventually(lambda: len(server.statuses) == 2, "the status of the corrected provider")
    conditions = {each["type"]: (each["status"], each["reason"]) for each in server.statuses[-1]["conditions"]}
    assert conditions == {
        "Open": ("False", "Closed"),
        "WithinBudgets": ("True", "WithinBudgets"),
        "Ready": ("True", "Accepted"),
    }
    assert server.statuses[-1]["windows"][0]["tokens"] == window["tokens"]
    assert server.events == ["Unreadable"]
    task.cancel()


async def test_a_provider_that_cannot_be_followed_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with one, the next is written, and the first is tried again."""
    server = Server()
    for name in ("a", "b", "claude"):
        server.change({}, name)
    tick, tried = server.providers.tick, list[str]()

    def failing(key: ProviderKey, now: datetime) -> datetime | None:
        tried.append(key.name)
        if key.name != "claude":
            raise ZeroDivisionError
        return tick(key, now)

    monkeypatch.setattr(server.providers, "tick", failing)
    task = work(server)
    await eventually(lambda: server.statuses, "the status of the third")
    server.now += timedelta(seconds=61)
    see(server.providers, 1, at_work(run_of(1)))
    await eventually(lambda: tried.count("a") > 1 and tried.count("b") > 1, "the next try")
    task.cancel()


async def test_another_replicas_provider_is_left_alone() -> None:
    """A replica writes the providers of its own shards only."""
    server = new()
    task = work(server, owned=False)
    for number in range(3):
        see(server.providers, number, at_work(run_of(number)))
        await asyncio.sleep(0)
    assert server.statuses == []
    task.cancel()
