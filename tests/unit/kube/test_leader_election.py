"""The Lease when requests are lost, late or conflicting. tests/api has two contenders on a real API server."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import ApiError, Conflict, NotFound, Unavailable
from controller.kube.leader_election import LeaderLease, LeaseLost, LeaseTimings

PATIENCE = 30.0
QUICK = LeaseTimings(duration=0.6, renew_deadline=0.4, retry_period=0.02)


class OneLease(Client):
    """An API server that holds one Lease; `before` is awaited before each request and may fail, wait or interfere."""

    def __init__(self) -> None:
        self.lease: JsonObject | None = None
        self.before: Callable[[str], Awaitable[None]] = self.nothing
        self.version = 0
        self.asked: list[str] = []

    async def nothing(self, verb: str) -> None:
        return

    async def annotate(self, verb: str) -> None:
        """Somebody else writes the Lease before the next replacement, once."""
        if verb == "replace":
            self.before = self.nothing
            self.meddle()

    def server_now(self) -> datetime:
        return datetime.now(UTC)

    async def get(self, *_: Any) -> JsonObject:
        await self._arrive("get")
        if self.lease is None:
            raise NotFound("GET lease", 404, "NotFound", "")
        return copy.deepcopy(self.lease)

    async def create(self, resource: Any, namespace: str | None, body: JsonObject) -> JsonObject:
        await self._arrive("create")
        return self.store(body)

    async def replace(
        self, resource: Any, namespace: str | None, name: str, body: JsonObject, *, subresource: str | None = None
    ) -> JsonObject:
        await self._arrive("replace")
        if self.lease is None or body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict("PUT lease", 409, "Conflict", "")
        return self.store(body)

    async def _arrive(self, verb: str) -> None:
        self.asked.append(verb)
        await self.before(verb)

    def store(self, body: JsonObject) -> JsonObject:
        self.version += 1
        self.lease = {**copy.deepcopy(body), "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return copy.deepcopy(self.lease)

    @property
    def holder(self) -> str:
        assert self.lease
        return str(self.lease["spec"]["holderIdentity"])

    def meddle(self, **spec: Any) -> None:
        """Write the Lease as somebody else."""
        assert self.lease
        self.store({**self.lease, "spec": self.lease["spec"] | spec})


@pytest.fixture
def server() -> OneLease:
    return OneLease()


@pytest.fixture
async def lease(server: OneLease) -> LeaderLease:
    lease = contender(server, "me")
    await lease.acquire()
    return lease


def contender(server: OneLease, identity: str, timings: LeaseTimings = QUICK) -> LeaderLease:
    return LeaderLease(server, "ns", "lease", identity, timings)


async def held_for(lease: LeaderLease, seconds: float) -> bool:
    """Whether the Lease is still held after some seconds."""
    try:
        async with asyncio.timeout(seconds):
            await lease.hold()
    except TimeoutError:
        return lease.is_leader
    return False


async def test_a_foreign_write_between_read_and_renewal_loses_nothing(server: OneLease, lease: LeaderLease) -> None:
    """Somebody annotates the Lease during its renewal: the renewal gets a Conflict, but the Lease stays ours."""
    server.before = server.annotate
    assert await held_for(lease, 0.2)
    assert server.holder == "me"


async def test_a_renewal_whose_answer_was_lost_loses_nothing(server: OneLease, lease: LeaderLease) -> None:
    """The write succeeded, but its answer was lost and it was repeated: the Conflict is with our own write."""
    stored = server.store

    def store_and_lose(body: JsonObject) -> JsonObject:
        server.store = stored  # type: ignore[method-assign]  # once only
        stored(body)
        raise Conflict("PUT lease", 409, "Conflict", "")

    server.store = store_and_lose  # type: ignore[method-assign]  # the fault
    assert await held_for(lease, 0.2)


async def test_one_hanging_request_leaves_time_for_another(server: OneLease, lease: LeaderLease) -> None:
    """A request on a dead connection does not use up the whole renew deadline."""

    async def hang_once(verb: str) -> None:
        server.before = server.nothing
        await asyncio.Event().wait()

    server.before = hang_once
    assert await held_for(lease, 1.0)


async def test_an_api_server_that_is_gone_loses_the_lease_in_time(server: OneLease, lease: LeaderLease) -> None:
    """The leader stops after the renew deadline, before any other replica may take over."""

    async def fail(verb: str) -> None:
        raise Unavailable(verb, 503, "ServiceUnavailable", "no etcd")

    server.before = fail
    started = time.monotonic()
    with pytest.raises(LeaseLost, match=r"could not be renewed in 0\.4 s"):
        await lease.hold()
    assert not lease.is_leader
    assert time.monotonic() - started < QUICK.duration


async def test_a_stolen_lease_is_lost_at_once(server: OneLease, lease: LeaderLease) -> None:
    """Another holder in the Lease ends leadership without waiting."""
    server.meddle(holderIdentity="thief", leaseDurationSeconds=60)
    with pytest.raises(LeaseLost, match="another holds it"):
        await lease.hold()
    assert not lease.is_leader


@pytest.mark.parametrize("fault", [None, Conflict("PUT", 409, "", ""), Unavailable("PUT", 503, "", "")], ids=["fine", "409", "503"])
@pytest.mark.parametrize("late", ["get", "replace"])
async def test_release_is_not_undone_by_a_renewal_in_flight(
    server: OneLease, lease: LeaderLease, late: str, fault: ApiError | None
) -> None:
    """A renewal in flight neither delays the release nor takes the Lease again; its failure is not reported as a loss."""
    arrived, go = asyncio.Event(), asyncio.Event()

    async def delay(verb: str) -> None:
        if verb == late:
            server.before = server.nothing
            arrived.set()
            await go.wait()
            if fault:
                raise fault

    server.before = delay
    holding = asyncio.create_task(lease.hold())
    await arrived.wait()
    releasing = asyncio.create_task(lease.release())
    await asyncio.sleep(0.05)
    go.set()
    await releasing
    async with asyncio.timeout(1):
        await holding
    assert server.holder == ""
    assert not lease.is_leader


async def test_release_outlasts_a_conflict(server: OneLease, lease: LeaderLease) -> None:
    """A concurrent write does not prevent the release, so the Lease need not expire."""
    server.before = server.annotate
    await lease.release()
    assert server.holder == ""


async def test_release_of_a_dead_api_server_ends(server: OneLease, lease: LeaderLease) -> None:
    """Releasing the Lease never blocks the end of the process."""

    async def hang(verb: str) -> None:
        await asyncio.Event().wait()

    server.before = hang
    async with asyncio.timeout(2):
        await lease.release()
    assert not lease.is_leader


async def test_a_lease_whose_taking_was_cut_off_is_given_up(server: OneLease, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a SIGTERM between the write that takes the Lease and its answer, others need not wait until the Lease expires."""
    server.lease = None
    lease = LeaderLease(server, "ns", "lease", "hasty", QUICK)
    create = server.create

    async def take_and_never_answer(*args: Any) -> JsonObject:
        await create(*args)
        raise asyncio.CancelledError

    monkeypatch.setattr(server, "create", take_and_never_answer)
    with pytest.raises(asyncio.CancelledError):
        await lease.acquire()
    assert server.holder == "hasty"
    await lease.release()
    assert server.holder == ""


async def test_release_of_anothers_lease_writes_nothing(server: OneLease, lease: LeaderLease) -> None:
    """A Lease that another replica has taken meanwhile stays with that replica."""
    server.meddle(holderIdentity="other")
    await lease.release()
    assert server.holder == "other"


async def test_a_silent_leaders_lease_is_taken_after_its_duration_by_our_own_clock(server: OneLease, lease: LeaderLease) -> None:
    """Foreign timestamps decide nothing, however wrong they are; the change of leader is counted."""
    server.meddle(renewTime="2099-01-01T00:00:00.000000Z", leaseDurationSeconds=1)
    successor = contender(server, "successor")
    started = time.monotonic()
    await successor.acquire()
    assert time.monotonic() - started >= 1
    assert server.lease is not None
    assert server.holder == "successor"
    assert server.lease["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize(
    "wrong", [(10, 10, 2), (15, 10, 9), (15, 10, 0), (15, -1, -2)], ids=["duration", "deadline", "zero", "negative"]
)
def test_timings_that_allow_two_leaders_are_refused(wrong: tuple[float, float, float]) -> None:
    """The three timings must leave room for each other; the message explains how."""
    with pytest.raises(RunwatchmanError, match="duration > renew deadline"):
        LeaseTimings(*wrong)


async def test_standby_has_seen_another_renew(server: OneLease) -> None:
    """Another leader counts only after a renewal of its Lease was seen: one read proves nothing.

    Silence, a free Lease or a new holder end that.
    """
    patient = LeaseTimings(duration=60, renew_deadline=40, retry_period=0.01)
    server.store({"metadata": {"name": "lease"}, "spec": {"holderIdentity": "her", "leaseDurationSeconds": 60}})
    waiting = contender(server, "me", patient)
    asking = asyncio.create_task(waiting.acquire())
    try:
        await asked_again(server)
        assert not waiting.another_leads
        server.meddle()
        await asked_again(server)
        assert waiting.another_leads
        server.meddle(holderIdentity="him")
        await asked_again(server)
        assert not waiting.another_leads
        server.meddle(holderIdentity="")
        await asking
        assert waiting.is_leader
        assert not waiting.another_leads
    finally:
        asking.cancel()


async def test_a_leader_that_falls_silent_is_not_stood_by_for(server: OneLease) -> None:
    """Without a renewal for the Lease's duration, as when the API server is unreachable, no replica counts as standby."""
    server.store({"metadata": {"name": "lease"}, "spec": {"holderIdentity": "her", "leaseDurationSeconds": 2}})
    waiting = contender(server, "me")
    asking = asyncio.create_task(waiting.acquire())
    try:
        await asked_again(server)
        server.meddle()
        await asked_again(server)
        assert waiting.another_leads

        async def away(verb: str) -> None:
            raise Unavailable(verb, 0, "", "no answer")

        server.before = away
        async with asyncio.timeout(PATIENCE):
            while waiting.another_leads:  # noqa: ASYNC110  # time passes without an event
                await asyncio.sleep(QUICK.retry_period)
        assert not waiting.is_leader
    finally:
        asking.cancel()


async def asked_again(server: OneLease) -> None:
    """Wait until the Lease was requested and the answer was processed."""
    before = len(server.asked)
    async with asyncio.timeout(PATIENCE):
        while len(server.asked) < before + 2:  # noqa: ASYNC110  # a list has no event
            await asyncio.sleep(0)
