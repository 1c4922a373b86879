"""The client on a real API server: preconditions, pages, watches, expiry, and contenders for a Lease."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import urllib.request
from collections.abc import Collection
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.facts.pods import pod_facts
from controller.kube.client import Client
from controller.kube.connection import connect
from controller.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound
from controller.kube.leader_election import LeaderLease, LeaseTimings
from controller.kube.reflector import Reflector
from controller.kube.resources import LEASES, PODS, Resource
from tests.cluster import Cluster

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
MANY = 1200
BUSY = [{"name": "c", "image": "x"}]


def config_map(name: str, **data: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"of": "test"}}, "data": data}


def gated_pod(name: str, **env: str) -> JsonObject:
    container = {"name": "c", "image": "x", "env": [{"name": key, "value": value} for key, value in env.items()]}
    spec = {"schedulingGates": [{"name": "runwatchman.dev/admitted"}], "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"of": "test"}}, "spec": spec}


async def test_create_read_replace_patch_delete(client: Client, namespace: str) -> None:
    """An object's whole life, with each answer equal to the stored object; a second create and a read after the deletion have
    their own errors.
    """
    made = await client.create(CONFIG_MAPS, namespace, config_map("a", x="1"))
    assert (await client.get(CONFIG_MAPS, namespace, "a"))["metadata"]["uid"] == made["metadata"]["uid"]
    with pytest.raises(AlreadyExists, match="already exists"):
        await client.create(CONFIG_MAPS, namespace, config_map("a"))
    replaced = await client.replace(CONFIG_MAPS, namespace, "a", made | {"data": {"x": "2"}})
    assert {entry["manager"] for entry in replaced["metadata"]["managedFields"]} == {"runwatchman"}
    patched = await client.merge_patch(CONFIG_MAPS, namespace, "a", {"data": {"y": "3"}})
    assert patched["data"] == {"x": "2", "y": "3"}
    await client.delete(CONFIG_MAPS, namespace, "a", uid=made["metadata"]["uid"])
    with pytest.raises(NotFound, match=f'GET /api/v1/namespaces/{namespace}/configmaps/a: 404 NotFound: configmaps "a" not found'):
        await client.get(CONFIG_MAPS, namespace, "a")


async def test_preconditions(client: Client, namespace: str) -> None:
    """A stale resourceVersion, a wrong UID and a patch whose test fails are each a Conflict and change nothing."""
    made = await client.create(PODS, namespace, gated_pod("p"))
    await client.merge_patch(PODS, namespace, "p", {"metadata": {"labels": {"now": "newer"}}})
    ungate = {"op": "remove", "path": "/spec/schedulingGates/0"}
    wrong: list[Any] = [
        client.replace(PODS, namespace, "p", made),
        client.delete(PODS, namespace, "p", uid="00000000-0000-0000-0000-000000000000"),
        client.delete(PODS, namespace, "p", uid=made["metadata"]["uid"], resource_version=made["metadata"]["resourceVersion"]),
        client.merge_patch(PODS, namespace, "p", {"metadata": {"uid": "other", "labels": {"now": "wrong"}}}),
        client.json_patch(PODS, namespace, "p", [{"op": "test", "path": "/metadata/uid", "value": "other"}, ungate]),
    ]
    for attempt in wrong:
        with pytest.raises(Conflict):
            await attempt
    found = await client.get(PODS, namespace, "p")
    assert found["spec"]["schedulingGates"]
    assert found["metadata"]["labels"]["now"] == "newer"
    right = {"op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"]}
    assert "schedulingGates" not in (await client.json_patch(PODS, namespace, "p", [right, ungate]))["spec"]


async def test_a_later_deletion_shortens_the_grace_period(api_cluster: Cluster, client: Client, namespace: str) -> None:
    """A deletion with a shorter grace period than a bound pod's current one counts; one without a grace period does not."""
    made = await client.create(PODS, namespace, gated_pod("p") | {"spec": {"nodeName": "n", "containers": BUSY}})
    uid = made["metadata"]["uid"]
    api_cluster.kubectl("-n", namespace, "delete", "pod", "p", "--grace-period=100000000000000", "--wait=false")
    await client.delete(PODS, namespace, "p", uid=uid)
    prolonged = await client.get(PODS, namespace, "p")
    assert prolonged["metadata"]["deletionGracePeriodSeconds"] == 100_000_000_000_000
    assert pod_facts(prolonged).prolonged
    await client.delete(PODS, namespace, "p", uid=uid, grace_seconds=5)
    shortened = await client.get(PODS, namespace, "p")
    assert shortened["metadata"]["deletionGracePeriodSeconds"] == 5
    assert not pod_facts(shortened).prolonged
    await client.delete(PODS, namespace, "p", uid=uid, grace_seconds=0)


async def test_a_patch_that_makes_no_sense_is_not_a_conflict(client: Client, namespace: str) -> None:
    """Validation refuses it each time: a caller that took it for a Conflict would retry at once, for ever."""
    await client.create(PODS, namespace, gated_pod("p"))
    with pytest.raises(Invalid, match=r"spec\.activeDeadlineSeconds"):
        await client.json_patch(PODS, namespace, "p", [{"op": "add", "path": "/spec/activeDeadlineSeconds", "value": -1}])


async def test_errors_carry_the_servers_words(client: Client, namespace: str) -> None:
    """The error of a refused request names the party and the reason."""
    with pytest.raises(Invalid, match=f"POST /api/v1/namespaces/{namespace}/configmaps: 422 Invalid: .*metadata.name"):
        await client.create(CONFIG_MAPS, namespace, config_map("Not A Name"))
    with pytest.raises(NotFound, match="no-such-namespace"):
        await client.create(CONFIG_MAPS, "no-such-namespace", config_map("a"))


async def test_rbac_is_forbidden(api_cluster: Cluster, namespace: str, client: Client) -> None:
    """The error for a token without rights names the missing right."""
    api_cluster.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    token = api_cluster.kubectl("-n", namespace, "create", "token", "nobody").strip()
    connection = await connect(api_cluster.kubeconfig)
    configuration = connection.configuration
    configuration.cert_file = configuration.key_file = None
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    async with Client(connection) as powerless:
        with pytest.raises(Forbidden, match='cannot get resource "pods"') as caught:
            await powerless.get(PODS, namespace, "p")
    assert token not in str(caught.value)


async def test_many_objects_in_pages(client: Client, namespace: str) -> None:
    """1,200 objects arrive completely and once each, for any size of pages, with a version to watch from."""
    gate = asyncio.Semaphore(20)

    async def create(number: int) -> None:
        async with gate:
            await client.create(CONFIG_MAPS, namespace, config_map(f"m{number}"))

    await asyncio.gather(*(create(number) for number in range(MANY)))
    requests: list[str] = []
    client.sender.observe = lambda verb, *_: requests.append(verb)
    for chunk, pages in ((500, 3), (100, 12), (5000, 1)):
        requests.clear()
        found = await client.list_all(CONFIG_MAPS, namespace, label_selector="of=test", chunk=chunk)
        assert len({item["metadata"]["uid"] for item in found.items}) == len(found.items) == MANY
        assert requests == ["LIST"] * pages
    late = await client.create(CONFIG_MAPS, namespace, config_map("late"))
    async with asyncio.timeout(10), aclosing(client.watch(CONFIG_MAPS, namespace, found.resource_version)) as events:
        assert (await anext(events)).object["metadata"]["uid"] == late["metadata"]["uid"]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_huge_object_passes_through_a_watch(client: Client, namespace: str) -> None:
    """A pod full of characters that JSON escapes is several times etcd's 1.5 MB as an event; any user may create one."""
    version = (await client.list_all(PODS, namespace)).resource_version
    await client.create(PODS, namespace, gated_pod("huge", TEXT="<" * 1_300_000))
    await client.create(PODS, namespace, gated_pod("after"))
    names = []
    async with asyncio.timeout(30), aclosing(client.watch(PODS, namespace, version, label_selector="of=test")) as events:
        async for event in events:
            if event.type == "ADDED":
                names.append(event.object["metadata"]["name"])
            if names[-1:] == ["after"]:
                break
    assert names == ["huge", "after"]


class Shelf:
    """A sink that stores the existing objects, and counts complete lists."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.lists = 0
        self.changed = asyncio.Event()

    def upsert(self, obj: JsonObject) -> None:
        self.there.add(obj["metadata"]["name"])
        self.changed.set()

    def remove(self, obj: JsonObject) -> None:
        self.there.discard(obj["metadata"]["name"])
        self.changed.set()

    def retain(self, namespace: str | None, uids: Collection[str], resource_version: str) -> None:
        self.lists += 1
        self.changed.set()

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(20):
            while self.there != set(names):
                self.changed.clear()
                await self.changed.wait()


async def test_a_reflector_follows_and_lists_once(client: Client, namespace: str) -> None:
    """Objects from before, and those created and deleted during the watch, are followed without a second list."""
    await client.create(CONFIG_MAPS, namespace, config_map("before"))
    shelf = Shelf()
    task = asyncio.create_task(Reflector(client, CONFIG_MAPS, [namespace], shelf, labels="of=test").run())
    await shelf.until("before")
    made = await client.create(CONFIG_MAPS, namespace, config_map("during"))
    await shelf.until("before", "during")
    await client.delete(CONFIG_MAPS, namespace, "during", uid=made["metadata"]["uid"])
    await shelf.until("before")
    assert shelf.lists == 1
    task.cancel()


def compact(cluster: Cluster, revision: str) -> None:
    """Make etcd drop everything before a revision, as it does every five minutes."""
    records = [json.loads(line) for line in (cluster.directory / "processes").read_text().splitlines()]
    pid = next(record["pid"] for record in records if record["name"] == "etcd")
    arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    etcd = next(argument.partition("=")[2] for argument in arguments if argument.startswith("--listen-client-urls"))
    body = json.dumps({"revision": revision, "physical": True}).encode()
    urllib.request.urlopen(f"{etcd}/v3/kv/compaction", data=body, timeout=10).close()  # noqa: S310  # the cluster's own etcd


def aged(token: str) -> str:
    """Return a continue token as if its first page had been read at etcd's beginning: the API server may keep younger snapshots."""
    decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return base64.urlsafe_b64encode(json.dumps(decoded | {"rv": 2}).encode()).decode().rstrip("=")


async def test_a_list_that_expires_between_two_pages_is_whole(
    api_cluster: Cluster, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the revision of the first page was compacted, the list starts over and has every object once."""
    for number in range(6):
        last = await client.create(CONFIG_MAPS, namespace, config_map(f"m{number}"))
    compact(api_cluster, last["metadata"]["resourceVersion"])
    requests: list[tuple[str, int]] = []
    client.sender.observe = lambda verb, _resource, code, _seconds: requests.append((verb, code))
    send = client.sender.send

    async def send_aged(what: str, method: str, path: str, query: JsonObject, *rest: Any) -> Any:
        old = {"continue": aged(query["continue"])} if "continue" in query else {}
        return await send(what, method, path, query | old, *rest)

    monkeypatch.setattr(client.sender, "send", send_aged)
    found = await client.list_all(CONFIG_MAPS, namespace, label_selector="of=test", chunk=2)
    assert requests == [("LIST", 200), ("LIST", 410), ("LIST", 200)]
    assert sorted(item["metadata"]["name"] for item in found.items) == [f"m{number}" for number in range(6)]


async def test_server_time(client: Client, namespace: str) -> None:
    """The estimate agrees with the API server's own timestamps to a second."""
    for number in range(5):
        made = await client.create(CONFIG_MAPS, namespace, config_map(f"t{number}"))
        stamp = datetime.strptime(made["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert -1 <= (client.server_now() - stamp).total_seconds() <= 2
        await asyncio.sleep(0.3)


QUICK = LeaseTimings(duration=3, renew_deadline=2, retry_period=0.3)


async def test_two_contenders_one_leader_and_a_handover_at_once(client: Client, namespace: str) -> None:
    """One leads; when it releases the Lease the other has it within its retry period, and the change is counted."""
    first, second = (LeaderLease(client, namespace, "lease", name, QUICK) for name in ("first", "second"))
    await first.acquire()
    holding, waiting = asyncio.create_task(first.hold()), asyncio.create_task(second.acquire())
    await asyncio.sleep(QUICK.duration + 1)
    assert (first.is_leader, second.is_leader) == (True, False)
    started = time.monotonic()
    await first.release()
    async with asyncio.timeout(5):
        await waiting
    assert time.monotonic() - started < 1
    await holding
    lease = await client.get(LEASES, namespace, "lease")
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("second", 1)
    await second.release()


async def test_many_contenders_never_two_leaders(client: Client, namespace: str) -> None:
    """Eight contenders that start at once and hand over in turn: at each moment at most one leads."""
    leaders: list[str] = []

    async def contend(name: str) -> None:
        lease = LeaderLease(client, namespace, "contended", name, QUICK)
        await lease.acquire()
        leaders.append(name)
        assert len(leaders) == 1
        await asyncio.sleep(0.05)
        leaders.remove(name)
        await lease.release()

    async with asyncio.timeout(60):
        await asyncio.gather(*(contend(f"c{number}") for number in range(8)))


async def test_a_dead_leaders_lease_is_taken_when_it_expires(client: Client, namespace: str) -> None:
    """A leader that stops renewing is succeeded after the Lease's duration, not before."""
    dead = LeaderLease(client, namespace, "expiring", "dead", QUICK)
    await dead.acquire()
    successor = LeaderLease(client, namespace, "expiring", "successor", QUICK)
    started = time.monotonic()
    async with asyncio.timeout(20):
        await successor.acquire()
    assert QUICK.duration <= time.monotonic() - started < QUICK.duration + 2
    await successor.release()


async def test_api_errors_are_all_that_comes(client: Client, namespace: str) -> None:
    """Any wrong request raises an ApiError and no other exception."""
    unknown = Resource("no.such.group", "v1", "things", "Thing")
    for call in (client.get(unknown, namespace, "x"), client.list_all(unknown), client.create(PODS, namespace, {"kind": "Pod"})):
        with pytest.raises(ApiError) as caught:
            await call
        assert re.search(r"40[04]|422", str(caught.value)), json.dumps(str(caught.value))
