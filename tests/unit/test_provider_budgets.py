"""A provider's budgets by the caches: what holds and ends a Run, and what a spent budget asks."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.base import JsonObject
from controller.api.names import API_VERSION, LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN, LABEL_RUN_UID, REPORTER_CONTAINER, RunKey
from controller.api.operator_state import OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.provider_line import ProviderKey
from controller.cache.run_cache import RunCache
from controller.facts.runs import run_facts
from controller.kube.client import Client
from controller.kube.errors import AlreadyExists, ApiError, NotFound
from controller.kube.resources import ESCALATIONS, Resource
from controller.notify.message import Message
from controller.plan.reasons import Reason
from controller.plan.rules.ending_rules import words_of
from controller.plan.snapshot import ProviderFacts, Snapshot
from controller.reconcile.budget_keeper import BudgetKeeper
from controller.reconcile.provider_writer import RETRY_SECONDS, ProviderWriter
from tests.builders import a_pod, a_run

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)
KEY = ProviderKey("ns", "claude")
POLICY = ResolvedPolicy.of("default", RunPolicySpec())


class Api(Client):
    """An API server that keeps the provider and its escalations."""

    def __init__(self) -> None:
        self.now, self.objects, self.version, self.refuses = NOW, dict[str, JsonObject](), 1, False

    def server_now(self) -> datetime:
        """Return the time of the test."""
        return self.now

    async def create(self, resource: Resource, namespace: str | None, body: JsonObject) -> JsonObject:
        """Store an object, if it is new."""
        name = f"{resource.plural}/{body['metadata']['name']}"
        if name in self.objects:
            raise AlreadyExists("create", 409, "AlreadyExists", name)
        return self._store(name, body | {"metadata": body["metadata"] | {"uid": name}})

    async def get(self, resource: Resource, namespace: str | None, name: str) -> JsonObject:
        """Return an object."""
        if f"{resource.plural}/{name}" not in self.objects:
            raise NotFound("get", 404, "NotFound", name)
        return self.objects[f"{resource.plural}/{name}"]

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: JsonObject, *, subresource: str | None = None
    ) -> JsonObject:
        """Store a new version, unless the API server refuses it."""
        if self.refuses:
            raise ApiError("replace", 500, "InternalError", name)
        return self._store(f"{resource.plural}/{name}", body)

    def _store(self, name: str, body: JsonObject) -> JsonObject:
        self.version += 1
        self.objects[name] = body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}}
        return self.objects[name]

    @property
    def events(self) -> dict[str, str]:
        """The messages of the provider's Events, by reason."""
        return {each["reason"]: each["message"] for name, each in self.objects.items() if name.startswith("events/")}

    @property
    def inbox(self) -> list[JsonObject]:
        """The escalations."""
        return [found for name, found in self.objects.items() if name.startswith("escalations/")]


class World:
    """One provider, one Run that has used something, and one that would start."""

    def __init__(self, api: Api, *, gone: bool = False, pods: tuple[JsonObject, ...] = (), **budget: Any) -> None:
        self.api, self.woken, self.sent = api, list[RunKey](), list[Message]()
        self.cache = RunCache(self.woken.append)
        self.budgets = [{"name": "daily", "window": "Day", "tokens": 100, **budget}]
        self.keeper = BudgetKeeper(api, self.cache, lambda message, _: self.sent.append(message))
        self.writer = ProviderWriter(api, self.cache.providers, self.keeper)
        stored = api.objects.get("providers/claude", {}).get("status", {})
        meta = {"namespace": "ns", "name": "claude", "uid": "p", "generation": 1, "resourceVersion": str(api.version)}
        spec = {"budgets": self.budgets, "notifications": [{"secretName": "chat"}]}
        provider = {"metadata": meta | {"creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec, "status": stored}
        for number in range(gone, 2):
            self.cache.runs.upsert(self.run(number))
        for pod in pods:
            self.cache.pods.upsert(pod)
        self.cache.providers.objects.upsert(provider)
        self.follow()

    def run(self, number: int, tokens: int = 0, version: int = 1) -> JsonObject:
        """Return a Run that has used some tokens."""
        agent = {"name": "coder", "attempt": 0, "outcome": "Completed", "usage": {"inputTokens": tokens}}
        run = a_run(f"r{number}", f"u{number}", version, {"agents": [agent]} if tokens else {}, labels={"team": "a"})
        run["spec"]["agents"][0]["provider"] = "claude"
        return run

    def use(self, tokens: int, version: int = 2) -> None:
        """Let the first Run have used so many tokens."""
        self.cache.runs.upsert(self.run(0, tokens, version))

    def follow(self, seconds: float = 10) -> None:
        """Let the writer look at the provider some time later."""
        self.api.now += timedelta(seconds=seconds)
        asyncio.run(self.writer._follow(KEY))  # one look, without the loop around it

    def snapshot(self) -> Snapshot:
        """Return the second Run, which would start."""
        run = run_facts(self.run(1))
        state = OperatorState(run_uid=run.uid)
        return self.cache.providers.admitted(Snapshot(run=run, policy=POLICY, state=state), self.api.now)

    def facts(self) -> ProviderFacts:
        """Return why it waits."""
        return self.snapshot().providers[0]

    @property
    def status(self) -> JsonObject:
        """The stored status of the provider."""
        found: JsonObject = self.api.objects["providers/claude"]["status"]
        return found

    def answer(self, decision: str) -> None:
        """Let a human answer the only question."""
        found = self.api.inbox[0]
        changed = found | {"spec": found["spec"] | {"response": {"decision": decision, "by": "alice"}}}
        stored = asyncio.run(self.api.replace(ESCALATIONS, "ns", found["metadata"]["name"], changed))
        self.cache.escalations.upsert(stored)


def test_a_start_waits_from_the_report_on_and_not_from_the_write_on() -> None:
    """The reason has the figures and the time. Everybody is woken when the budget is spent and when its window ends."""
    world = World(Api())
    assert world.facts().admits
    world.use(100)
    facts = world.facts()
    assert (facts.admits, facts.reason, facts.until) == (False, Reason.PROVIDER_BUDGET_SPENT, datetime(2026, 1, 9, tzinfo=UTC))
    assert "budget daily of provider claude is spent: 100 of 100 tokens" in facts.message
    assert world.cache.providers.status(KEY).waiting_agents == 1
    world.woken.clear()
    world.follow(24 * 3600)
    assert {key.name for key in world.woken} == {"r0", "r1"}
    assert world.facts().admits


def test_people_are_warned_once_and_then_asked_once() -> None:
    """A new process asks nothing anew. The question has the figures, and what an approval adds."""
    world = World(Api())
    world.use(80)
    world.follow()
    assert [message.event.value for message in world.sent] == ["BudgetWarned"]
    assert world.status["conditions"][1]["reason"] == "BudgetWarning"
    world.use(120, 3)
    world.follow()
    world.follow()
    assert [message.event.value for message in world.sent] == ["BudgetWarned", "EscalationOpened"]
    question = world.api.inbox[0]["spec"]
    assert (question["type"], question["runName"], question["expiresAt"]) == ("Budget", "claude", "2026-01-09T00:00:00Z")
    assert "Approve: adds 100 tokens until 2026-01-09T00:00:00Z." in question["text"]
    successor = World(world.api)
    successor.use(120)
    successor.follow()
    assert (len(world.api.inbox), successor.sent, world.status["windows"][0]["tokens"]) == (1, [], 120)


@pytest.mark.parametrize(
    ("decision", "reason", "says"),
    [
        ("Approve", "BudgetApproved", "alice approved 100 tokens more of budget daily until 2026-01-09T00:00:00Z"),
        ("Deny", "BudgetDenied", "alice denied more of budget daily until 2026-01-09T00:00:00Z"),
    ],
)
def test_the_event_of_an_answer_says_whose_it_is(decision: str, reason: str, says: str) -> None:
    """The name is the one that the escalation has: admission has checked it."""
    world = World(Api())
    world.use(120)
    world.follow()
    world.answer(decision)
    world.follow()
    assert world.api.events[reason] == says


@pytest.mark.parametrize(("decision", "admits", "phase"), [("Approve", True, "Resolved"), ("Deny", False, "Resolved")])
def test_an_answer_is_carried_out_once(decision: str, phase: str, *, admits: bool) -> None:
    """An approval adds the stated amount, once, also when the operator ends after that was saved. A denial waits for the window."""
    world = World(Api())
    world.use(120)
    world.follow()
    world.answer(decision)
    for follower in (world, World(world.api)):
        follower.cache.escalations.upsert(world.api.inbox[0])
        follower.use(120)
        follower.follow()
        assert world.status["windows"][0].get("extraTokens", 0) == (100 if admits else 0)
        assert follower.facts().admits == admits
    assert [found["status"]["phase"] for found in world.api.inbox] == [phase]


def test_a_question_ends_with_its_window() -> None:
    """Nobody has answered; the next window has a budget of its own."""
    world = World(Api())
    world.use(120)
    world.follow()
    world.follow(24 * 3600)
    assert [found["status"]["phase"] for found in world.api.inbox] == ["Expired"]
    assert world.status["windows"][0]["tokens"] == 0


def test_stop_ends_the_runs_of_the_provider_as_a_halt_does() -> None:
    """Only the Runs that count for the budget; with Ask and Queue agents at work go on."""
    world = World(Api(), onSpent="Stop", selector={"matchLabels": {"team": "a"}})
    budgets, run = world.cache.providers.budgets, run_facts(world.run(1))
    assert budgets.halt_of(run, NOW) is None
    world.use(100)
    halt = budgets.halt_of(run, NOW)
    assert halt
    assert words_of(halt).startswith("budget daily of provider claude is spent")
    other = world.run(2)
    other["metadata"]["labels"] = {"team": "b"}
    world.cache.runs.upsert(other)
    assert budgets.halt_of(run_facts(other), NOW) is None
    assert World(Api(), onSpent="Queue").cache.providers.budgets.halt_of(run, NOW) is None


def test_sums_alone_are_written_every_few_seconds() -> None:
    """Many reports cost one write."""
    world = World(Api())
    before, counters = world.api.version, world.cache.providers.budgets.counters
    counter = counters[KEY]
    for tokens in range(1, 40):
        world.use(tokens, tokens + 1)
        world.follow(0.2)
    assert world.api.version - before == 1
    world.follow()
    assert world.status["windows"][0]["tokens"] == 39
    assert counters[KEY] is counter  # its own writes are not read back
    assert world.cache.providers.budgets.used(KEY) == (("daily", 0.39),)


def test_a_count_that_another_replica_has_saved_is_read_when_it_is_needed() -> None:
    """With shards the others see each write. The one that takes the provider over counts on from the last one."""
    first = World(Api())
    other = World(first.api)
    first.use(30)
    first.follow()
    provider = first.api.objects["providers/claude"]
    provider = provider | {"metadata": provider["metadata"] | {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    other.cache.providers.objects.upsert(provider)
    assert KEY not in other.cache.providers.budgets.counters
    other.use(50)
    other.follow()
    assert other.status["windows"][0]["tokens"] == 50


def test_a_write_that_fails_is_repeated_after_a_while() -> None:
    """Not at once and again and again; and what it would have saved is saved then."""
    world = World(Api())
    world.use(30)
    world.api.refuses = True
    world.follow()
    assert world.writer._due[KEY] == world.api.now + timedelta(seconds=RETRY_SECONDS)
    world.api.refuses = False
    world.follow(RETRY_SECONDS)
    assert world.status["windows"][0]["tokens"] == 30


def last_pod(tokens: int) -> JsonObject:
    """Return the ended pod of the first Run, whose reporter has left its last report."""
    said = {
        "attempt": 0,
        "podUID": "pod",
        "seq": 9,
        "intervalSeconds": 60,
        "activityAgeSeconds": 1,
        "usage": {"inputTokens": tokens},
    }
    ended = {"exitCode": 0, "message": json.dumps(said), "finishedAt": "2026-01-08T12:00:00Z"}
    labels = {LABEL_RUN: "r0", LABEL_RUN_UID: "u0", LABEL_AGENT: "coder", LABEL_ATTEMPT: "0"}
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": "r0", "uid": "u0", "controller": True}
    status = {"phase": "Failed", "initContainerStatuses": [{"name": REPORTER_CONTAINER, "state": {"terminated": ended}}]}
    return a_pod({}, status, name="r0-coder-r0", uid="pod", resourceVersion="9", labels=labels, ownerReferences=[owner])


def live_report(tokens: int) -> JsonObject:
    """Return the report of that pod while it ran."""
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": "r0", "uid": "u0", "controller": True}
    stamp = {"manager": REPORTER_CONTAINER, "subresource": "status", "time": "2026-01-08T11:59:00Z"}
    meta = {"namespace": "ns", "name": "r0-coder", "uid": "report", "resourceVersion": "5", "ownerReferences": [owner]}
    said = {
        "attempt": 0,
        "podUID": "pod",
        "seq": 1,
        "intervalSeconds": 60,
        "activityAgeSeconds": 1,
        "usage": {"inputTokens": tokens},
    }
    spec = {"runName": "r0", "runUID": "u0", "agent": "coder"}
    return {"metadata": meta | {"managedFields": [stamp]}, "spec": spec, "status": said}


@pytest.mark.parametrize("killed", [False, True])
def test_a_deleted_run_is_counted_to_its_last_report(*, killed: bool) -> None:
    """Its pod stays until its end is recorded. An operator that takes over meanwhile counts it, too."""
    world = World(Api())
    run = world.run(0)
    world.cache.runs.upsert(run)
    world.cache.reports.upsert(live_report(20))
    world.cache.pods.upsert(last_pod(20) | {"status": {"phase": "Running"}})
    world.follow()
    assert world.status["windows"][0]["tokens"] == 20
    world.cache.runs.remove(run)
    if killed:
        world = World(world.api, gone=True, pods=(last_pod(35),))
    else:
        world.cache.pods.upsert(last_pod(35) | {"metadata": last_pod(35)["metadata"] | {"resourceVersion": "10"}})
    world.follow()
    assert world.status["windows"][0]["tokens"] == 35
