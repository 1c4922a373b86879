"""The lanes: the operator never waits for a notification, and trouble of one destination does not affect others."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from controller.api.base import JsonObject
from controller.api.notification import Notification, NotificationEvent
from controller.kube.client import Client
from controller.kube.errors import ApiError, Forbidden, NotFound, Unavailable
from controller.kube.resources import EVENTS, SECRETS, Resource
from controller.notify import notifier as module
from controller.notify.delivery_result import NOT_DELIVERED, Outcome, Result
from controller.notify.message import Level, Message
from controller.notify.notifier import Notifier
from controller.observability.metrics import Metrics
from tests.stores import NOW

MESSAGE = Message(NotificationEvent.RUN_FINISHED, "team", "demo", "u1", Level.INFO, "title", "body")
GOOD, BAD = Notification(secret_name="good"), Notification(secret_name="bad")
HUSHED = "slack://hunter2"
SENT = Outcome(Result.SENT)
HUNG = Outcome(Result.UNKNOWN, "the endpoint gave no answer", hung=True)


@dataclass
class Cluster:
    """A stub API server: its Secrets hold URLs that name them, or reading them fails with a given error."""

    errors: dict[str, ApiError] = field(default_factory=dict)
    data: JsonObject | None = None
    events: list[JsonObject] = field(default_factory=list)

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        assert resource is SECRETS
        if name in self.errors:
            raise self.errors[name]
        return {"data": {"url": base64.b64encode(f"{HUSHED}/{name}\n".encode()).decode()} if self.data is None else self.data}

    async def create(self, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
        assert resource is EVENTS
        self.events.append(body)
        return body

    def server_now(self) -> Any:
        return NOW


class Service:
    """A stub for the senders: it gives each URL its scripted answer, and records the messages."""

    def __init__(self, **answers: Outcome | Callable[[], Any]) -> None:
        self._answers = answers
        self.sent: list[tuple[str, str]] = []

    async def send(self, url: str, message: Message) -> Outcome:
        name = url.rpartition("/")[2]
        self.sent.append((name, message.title))
        answer = self._answers.get(name, SENT)
        return answer if isinstance(answer, Outcome) else cast(Outcome, await answer())


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def make(cluster: Cluster, service: Service, metrics: Metrics | None = None) -> Notifier:
    return Notifier(cast(Client, cluster), metrics or Metrics(), service.send, no_pause)


def count(metrics: Metrics, result: str) -> float:
    labels = {"event": "RunFinished", "result": result}
    return metrics.registry.get_sample_value("runwatchman_notifications_total", labels) or 0.0


async def test_told_once_in_order_and_drained_at_the_end() -> None:
    """Messages that wait at the end are still sent, each once per destination, in order."""
    service, metrics = Service(), Metrics()
    async with make(Cluster(), service, metrics) as notifier:
        for number in range(5):
            notifier.enqueue(replace(MESSAGE, title=str(number)), (GOOD, BAD, GOOD))
        assert service.sent == [], "telling must not wait"
    for name in ("good", "bad"):
        assert [title for place, title in service.sent if place == name] == list("01234")
    assert count(metrics, "sent") == 10


async def test_tried_again_only_where_nobody_took_it() -> None:
    """An unreachable destination is tried four times; one that refused, or may have accepted the message, once."""
    answers = {"good": Outcome(Result.LATER, "busy"), "bad": HUNG, "refuses": Outcome(Result.REFUSED, "no")}
    service, metrics = Service(**answers), Metrics()
    async with make(Cluster(), service, metrics) as notifier:
        notifier.enqueue(MESSAGE, (GOOD, BAD, Notification(secret_name="refuses")))
    assert sorted(place for place, _ in service.sent) == ["bad", *["good"] * (len(module.PAUSES) + 1), "refuses"]
    assert [count(metrics, result) for result in ("later", "unknown", "refused", "sent")] == [1, 1, 1, 0]


async def test_a_retry_that_succeeds_is_no_trouble() -> None:
    """Only the success of the second try is counted, and no warning is given."""
    answers = iter([Outcome(Result.LATER, "busy"), SENT])

    async def next_answer() -> Outcome:
        return next(answers)

    cluster, metrics = Cluster(), Metrics()
    async with make(cluster, Service(good=next_answer), metrics) as notifier:
        notifier.enqueue(MESSAGE, (GOOD,))
    assert (count(metrics, "sent"), count(metrics, "later"), cluster.events) == (1, 0, [])


async def test_hanging_places_share_one_sender() -> None:
    """Destinations that are known to hang share one sender, however many they are, and another destination is served at once."""
    held, release, served = asyncio.Event(), asyncio.Event(), asyncio.Event()
    hanging = tuple(Notification(secret_name=f"hangs-{number}") for number in range(10))
    known: set[str] = set()
    holding: set[str] = set()

    def hang(name: str) -> Callable[[], Any]:
        async def answer() -> Outcome:
            if name in known:
                holding.add(name)
                held.set()
                await release.wait()
            known.add(name)
            return HUNG

        return answer

    async def serve() -> Outcome:
        served.set()
        return SENT

    answers = {place.secret_name: hang(place.secret_name) for place in hanging}
    async with make(Cluster(), Service(good=serve, **answers)) as notifier:
        notifier.enqueue(MESSAGE, hanging)
        notifier.enqueue(MESSAGE, hanging)
        await held.wait()
        notifier.enqueue(MESSAGE, (GOOD,))
        await served.wait()
        assert len(known) == len(hanging)
        assert len(holding) == module.SLOW_SENDERS
        release.set()


async def test_a_namespace_with_many_hanging_places_leaves_a_sender_to_others() -> None:
    """Thirty destinations of one namespace that hang for the first time do not delay another's message."""
    stuck, release, served = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hang() -> Outcome:
        stuck.set()
        await release.wait()
        return HUNG

    async def serve() -> Outcome:
        served.set()
        return SENT

    names = [f"bad-{number}" for number in range(30)]
    service = Service(good=serve, **dict.fromkeys(names, hang))
    async with make(Cluster(), service) as notifier:
        notifier.enqueue(replace(MESSAGE, namespace="noisy"), tuple(Notification(secret_name=name) for name in names))
        await stuck.wait()
        notifier.enqueue(replace(MESSAGE, namespace="quiet"), (GOOD,))
        await served.wait()
        assert len(service.sent) < len(names)
        release.set()


async def test_the_longest_lane_pays_for_a_full_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood for one destination drops its own oldest messages; another destination's message is sent, and every loss is
    counted.
    """
    monkeypatch.setattr(module, "QUEUE_LIMIT", 10)
    service, metrics = Service(), Metrics()
    async with make(Cluster(), service, metrics) as notifier:
        notifier.enqueue(replace(MESSAGE, title="important"), (GOOD,))
        for number in range(100):
            notifier.enqueue(replace(MESSAGE, title=str(number)), (BAD,))
    assert ("good", "important") in service.sent
    assert [title for place, title in service.sent if place == "bad"] == [str(number) for number in range(91, 100)]
    assert (count(metrics, "dropped"), count(metrics, "sent")) == (91, 10)


async def test_the_end_does_not_wait_for_a_hanging_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A send that hangs at the end is abandoned, and the messages behind it are counted as dropped."""
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.01)
    service, metrics = Service(bad=asyncio.Event().wait), Metrics()
    async with make(Cluster(), service, metrics) as notifier:
        for _ in range(3):
            notifier.enqueue(MESSAGE, (BAD,))
    assert (len(service.sent), count(metrics, "dropped")) == (1, 3)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (Cluster({"good": NotFound("GET", 404, "NotFound", "no")}), "it does not exist: create it"),
        (Cluster({"good": Forbidden("GET", 403, "Forbidden", "no")}), "grant its service account get"),
        (Cluster({"good": Unavailable("GET", 503, "Busy", "no")}), "it could not be read: 503 Busy"),
        (Cluster(data={"other": "eA=="}), "it has no such key"),
        (Cluster(data={"url": base64.b64encode(b"two words").decode()}), "it does not contain exactly one URL"),
        (Cluster(data={"url": base64.b64encode(b"\xff").decode()}), "it does not contain exactly one URL"),
        (Cluster(data={"url": ""}), "it does not contain exactly one URL"),
    ],
)
async def test_a_secret_that_does_not_serve_is_told(cluster: Cluster, words: str) -> None:
    """The log has one line per cause with the Secret's name; each Run gets an Event; no message is sent."""
    service = Service()
    with capture_logs() as logs:
        async with make(cluster, service) as notifier:
            for number in range(3):
                notifier.enqueue(replace(MESSAGE, uid=str(number)), (GOOD,))
    assert [(line["place"], line["log_level"]) for line in logs] == [("Secret team/good, key url", "warning")]
    assert words in logs[0]["error"]
    assert len({event["metadata"]["name"] for event in cluster.events}) == 3
    assert all(words in event["message"] and "team/good" in event["message"] for event in cluster.events)
    assert cluster.events[0]["reason"] == "NotificationFailed"
    assert cluster.events[0]["involvedObject"]["uid"] == "0"
    assert service.sent == []


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Result.REFUSED, "the endpoint answered HTTP 401"),
        Outcome(Result.LATER, "the endpoint cannot be reached"),
        Outcome(Result.UNUSABLE, "its host leads to 10.0.0.1"),
        HUNG,
    ],
)
async def test_the_tenant_reads_one_word_for_every_failure(outcome: Outcome) -> None:
    """The Event is the same for every failure, so that it cannot be used to scan a network; the operator's log has the cause."""
    cluster = Cluster()
    with capture_logs() as logs:
        async with make(cluster, Service(good=outcome)) as notifier:
            notifier.enqueue(MESSAGE, (GOOD,))
    told = f"RunFinished notification failed: Secret team/good, key url: {NOT_DELIVERED}"
    assert [event["message"] for event in cluster.events] == [told]
    assert [line["error"] for line in logs] == [outcome.why]


async def test_a_trouble_that_returns_is_told_anew() -> None:
    """After a success the same cause is reported again."""
    answers = iter([HUNG, HUNG, SENT, HUNG])

    async def next_answer() -> Outcome:
        return next(answers)

    with capture_logs() as logs:
        async with make(Cluster(), Service(good=next_answer)) as notifier:
            for _ in range(4):
                notifier.enqueue(MESSAGE, (GOOD,))
    assert len(logs) == 2


async def test_the_url_is_nowhere_to_be_seen() -> None:
    """No log, Event or metric contains a part of a Secret's value, even if sending fails with an error that includes it."""

    async def breaks() -> Outcome:
        raise OSError(f"cannot reach {HUSHED}")

    cluster, metrics = Cluster(), Metrics()
    with capture_logs() as logs:
        async with make(cluster, Service(good=breaks, bad=HUNG), metrics) as notifier:
            notifier.enqueue(MESSAGE, (GOOD, BAD))
    series = [sample for family in metrics.registry.collect() for sample in family.samples]
    assert len(logs) >= 2, "there must be something to look at"
    assert "hunter2" not in f"{logs} {cluster.events} {series}"


async def test_one_runs_flood_is_dropped_before_any_place_waits_for_it() -> None:
    """Two hundred opened escalations of a Run give ten messages to its destination; the rest is counted as dropped."""
    service, cluster = Service(good=SENT), Cluster()
    metrics = Metrics()
    asked = replace(MESSAGE, event=NotificationEvent.ESCALATION_OPENED)
    async with Notifier(cast(Client, cluster), metrics, service.send, monotonic=lambda: 0.0) as notifier:
        for _ in range(200):
            notifier.enqueue(asked, (GOOD,))
    assert len(service.sent) == 10
    assert metrics.notifications.labels(asked.event.value, Result.DROPPED.value)._value.get() == 190
