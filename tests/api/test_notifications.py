"""Notifications as users set them up: a Secret with a URL, a policy that names it, and an endpoint that counts."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest

from controller.api.base import JsonObject
from controller.api.escalation import EscalationPhase
from controller.api.notification import Notification
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.run_cache import RunCache
from controller.facts.pods import escalation_facts
from controller.kube.client import Client
from controller.kube.errors import Conflict
from controller.kube.resources import ESCALATIONS, Resource
from controller.notify.delivery_result import NOT_DELIVERED, Result
from controller.notify.message import Message
from controller.plan.actions import SetEscalationPhase
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.snapshot import RunFacts, Snapshot
from controller.reconcile.actions import Tools, perform
from tests.cluster import Cluster
from tests.endpoint import Endpoint
from tests.support import (
    OperatorProcess,
    answer,
    apply,
    await_phase,
    await_that,
    failing,
    get,
    items,
    policy_of,
    run_of,
    simulated_forever,
    status,
)


def secret(name: str, port: int) -> JsonObject:
    """Return a Secret with an endpoint's URL, which names a user and a password."""
    url = f"json://bot:hunter2@127.0.0.1:{port}/"
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"url": url}}


def telling(name: str, secret_name: str = "", **spec: object) -> JsonObject:
    """Return a policy that notifies through a Secret, by default the one of its own name."""
    return policy_of({"notifications": [{"secretName": secret_name or name}], **spec}, name)


@pytest.fixture
def operator(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator of the test's own, which may use plain HTTP, on loopback."""
    lease = f"notify-{namespace}"
    options = ("--namespace", namespace, "--lease-name", lease, "--notify-schemes", "json", "--notify-allow", "127.0.0.1")
    with OperatorProcess(api_cluster, *options) as started:
        yield started


def test_told_exactly_once_across_a_crash(api_cluster: Cluster, namespace: str, operator: OperatorProcess) -> None:
    """A spent budget's escalation and the ends of Runs are each reported once, although the operator is killed in between and the
    ended Run's status is written again.

    The last message comes after all those that the restarted operator could have repeated: messages to one destination are ordered.
    """
    with Endpoint() as endpoint:
        apply(api_cluster, namespace, secret("default", endpoint.port), telling("default", restartBudget=0))
        await_that(lambda: get(api_cluster, namespace, "runpolicy", "default"), "the policy")
        apply(api_cluster, namespace, failing("demo"), run_of("done"))
        await_that(lambda: len(endpoint.messages) > 1, "the notifications of the escalation and of the other Run's end")
        operator.stop(signal.SIGKILL)
        operator.start()
        api_cluster.kubectl(
            "-n", namespace, "patch", "run", "done", "--type=merge", "-p", '{"spec":{"ttlSecondsAfterFinished":3600}}'
        )
        await_that(
            lambda: status(api_cluster, namespace, "done")["observedGeneration"] > 1, "another write of the ended Run's status"
        )
        (escalation,) = items(api_cluster, namespace, "escalations")
        assert escalation["status"]["notifiedAt"]
        answer(api_cluster, namespace, escalation["metadata"]["name"], "Stop")
        await_phase(api_cluster, namespace, "demo", "Failed")
        await_that(lambda: any("/demo Failed: " in title for title in endpoint.titles), "the notification of the end")
    *before, failed = endpoint.messages
    done, asked = sorted(before, key=lambda message: "needs you" in message["title"])
    assert done["title"] == f"runwatchman: {namespace}/done Completed: AllAgentsComplete"
    assert asked["title"].startswith(f"runwatchman: {namespace}/demo needs you: coder: RestartBudgetSpent")
    assert f"kubectl rw retry -n {namespace} {escalation['metadata']['name']}" in asked["message"]
    assert failed["message"].startswith("Failed (")


def test_trouble_delays_nobody_and_is_told(api_cluster: Cluster, namespace: str, operator: OperatorProcess) -> None:
    """While one endpoint hangs and a Secret is missing, other Runs end and are reported; the Run gets an Event about the Secret; no
    URL is shown.

    The operator then ends in order although the endpoint still hangs.
    """
    with Endpoint(hangs=True) as hangs, Endpoint() as works:
        apply(api_cluster, namespace, secret("hangs", hangs.port), secret("works", works.port))
        apply(api_cluster, namespace, telling("hangs"), telling("works"), telling("absent"))
        for name in ("hangs", "works", "absent"):
            await_that(lambda name=name: get(api_cluster, namespace, "runpolicy", name), "the policy")  # type: ignore[misc]  # bound
        apply(api_cluster, namespace, run_of("slow", policyRef={"name": "hangs"}))
        await_that(hangs.arrived.is_set, "the hanging endpoint to be asked")
        apply(api_cluster, namespace, run_of("quick", policyRef={"name": "works"}), run_of("mute", policyRef={"name": "absent"}))
        await_that(lambda: works.messages, "the notification of the other Run")
        await_phase(api_cluster, namespace, "mute", "Completed")
        said = await_that(lambda: _failures(api_cluster, namespace, "mute"), "the Event about the missing Secret")
        assert f"Secret {namespace}/absent, key url: it does not exist: create it" in said[0]
        for result in ("sent", "unusable"):
            series = f'runwatchman_notifications_total{{event="RunFinished",result="{result}"}} 1.0'
            metrics = await_that(lambda series=series: _metrics_with(operator, series), series)  # type: ignore[misc]  # bound
        assert operator.stop() == 0
        assert len(hangs.messages) == 1
    events = items(api_cluster, namespace, "events")
    assert "hunter2" not in f"{operator.log.read_text()} {metrics} {events}"
    not_sent = [(line["place"], line["result"]) for line in operator.lines() if line["event"] == "notification not sent"]
    late = (f"Secret {namespace}/hangs, key url", Result.UNKNOWN)  # on a machine where all this takes longer than SEND_SECONDS
    assert [each for each in not_sent if each != late] == [(f"Secret {namespace}/absent, key url", Result.UNUSABLE)]
    assert not_sent.count(late) <= 1


def test_a_graceful_end_sends_what_waits(api_cluster: Cluster, namespace: str, operator: OperatorProcess) -> None:
    """SIGTERM arrives while one message is in flight and another waits behind it: both are sent before the operator ends.

    kopf cancels every task that began after it when it ends; the operator therefore sends first.
    """
    with Endpoint(held=True) as endpoint:
        apply(api_cluster, namespace, secret("default", endpoint.port), telling("default"))
        await_that(lambda: get(api_cluster, namespace, "runpolicy", "default"), "the policy")
        apply(api_cluster, namespace, run_of("first"), run_of("second"))
        await_that(endpoint.arrived.is_set, "the first message")
        for name in ("first", "second"):
            await_phase(api_cluster, namespace, name, "Completed")
        with ThreadPoolExecutor() as pool:
            ended = pool.submit(operator.stop)
            await_that(lambda: any(line["event"] == "stopping" for line in operator.lines()), "the operator to end")
            endpoint.release()
            assert ended.result() == 0
    assert len(endpoint.messages) == 2


def test_a_tenant_scans_nothing(api_cluster: Cluster, namespace: str) -> None:
    """By default no tenant's URL reaches loopback: with and without a listener there, the Run's Event is the same."""
    options = ("--namespace", namespace, "--lease-name", f"scan-{namespace}", "--notify-schemes", "json")
    with (
        OperatorProcess(api_cluster, *options) as operator,
        Endpoint() as listens,
        socket.create_server(("127.0.0.1", 0)) as closed,
    ):
        shut = closed.getsockname()[1]
        closed.close()
        apply(api_cluster, namespace, secret("open", listens.port), secret("shut", shut), telling("open"), telling("shut"))
        for name in ("open", "shut"):
            await_that(lambda name=name: get(api_cluster, namespace, "runpolicy", name), "the policy")  # type: ignore[misc]  # bound
        apply(api_cluster, namespace, run_of("a", policyRef={"name": "open"}), run_of("b", policyRef={"name": "shut"}))
        told = [await_that(lambda run=run: _failures(api_cluster, namespace, run), "the Event") for run in ("a", "b")]  # type: ignore[misc]  # bound
        assert listens.messages == []
        logged = [line["error"] for line in operator.lines() if line["event"] == "notification not sent"]
    assert told[0] == [words.replace("/shut,", "/open,") for words in told[1]]
    assert NOT_DELIVERED in told[0][0]
    assert all("127.0.0.1, which is not public" in error for error in logged)
    assert len(logged) == 2


def _metrics_with(operator: OperatorProcess, series: str) -> str:
    """Return the operator's metrics once they contain a line."""
    metrics = operator.probe("metrics", "metrics")[1]
    return metrics if series in metrics else ""


def _failures(cluster: Cluster, namespace: str, run: str) -> list[str]:
    """Return the Events about notifications of a Run that were not sent."""
    found = (e for e in items(cluster, namespace, "events") if e["involvedObject"]["name"] == run)
    return [event["message"] for event in found if event["reason"] == "NotificationFailed"]


class Racing:
    """A client that two passes use at once: neither writes before both have read."""

    def __init__(self, client: Client) -> None:
        self._client, self._both_have_read = client, asyncio.Barrier(2)
        self.replace, self.server_now = client.replace, client.server_now

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        found = await self._client.get(resource, namespace, name)
        await self._both_have_read.wait()
        return found


async def test_of_two_who_open_an_escalation_one_tells(client: Client, api_cluster: Cluster, namespace: str) -> None:
    """Two operators that judged the same version race to open an escalation: one wins the write and notifies, the other is
    refused.
    """
    apply(api_cluster, namespace, simulated_forever("demo"))
    run = get(api_cluster, namespace, "run", "demo")
    spec = {"runName": "demo", "runUID": run["metadata"]["uid"], "type": "Blocked", "summary": "help"}
    apply(
        api_cluster,
        namespace,
        {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Escalation", "metadata": {"name": "help"}, "spec": spec},
    )
    found = await client.get(ESCALATIONS, namespace, "help")
    policy = ResolvedPolicy.of("p", RunPolicySpec(notifications=(Notification(secret_name="s"),)))
    facts = RunFacts(namespace, "demo", run["metadata"]["uid"], 1, spec=None)
    snapshot = Snapshot(run=facts, policy=policy, escalations=(escalation_facts(found),))
    action = SetEscalationPhase(
        intent=Intent.ESCALATE_BLOCKED,
        reason=Reason.ESCALATED,
        agent="coder",
        attempt=0,
        escalation="help",
        escalation_phase=EscalationPhase.OPEN,
    )
    told: list[Message] = []

    tools = Tools(client, RunCache(lambda _: None), lambda message, places: told.append(message))
    racing = replace(tools, client=cast(Client, Racing(client)))
    passes = await asyncio.gather(*(perform(racing, snapshot, action) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in passes if isinstance(result, BaseException)] == [Conflict]
    assert [message.title for message in told] == [f"runwatchman: {namespace}/demo needs you: help"]
    assert (await client.get(ESCALATIONS, namespace, "help"))["status"]["notifiedAt"]
    after = replace(snapshot, escalations=(escalation_facts(await client.get(ESCALATIONS, namespace, "help")),))
    await perform(tools, after, action)
    assert len(told) == 1, "one that is open already is not opened again"
