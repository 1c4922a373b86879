"""Budgets on a real API server: what the CRD and admission refuse, and how people answer."""

from __future__ import annotations

import json

import pytest

from controller.api.base import JsonObject
from tests.api.spending import API, DONE, EACH, WAITS, a_provider, asked, kill, reasons, started, window, work
from tests.cluster import Cluster
from tests.plugin import Plugin, allow, report
from tests.support import OperatorProcess, apply, await_phase, await_that, get, run_of, simulated, status

RW = "escalations.runwatchman.dev"


@pytest.mark.parametrize(
    ("budgets", "says"),
    [
        ([{"tokens": 1, "timeZone": "Europe/Atlantis"}], "timeZone must be an IANA time zone"),
        ([{"tokens": 1, "timeZone": "../etc"}], "timeZone"),
        ([{"warnPercent": 50}], "set at least one of tokens and costMicroUSD"),
        ([{"tokens": 1}, {"tokens": 2}], "the names of budgets must be unique"),
        ([{"costMicroUSD": 1, "extraTokens": 5}], "extraTokens needs tokens"),
        ([{"tokens": 0}], "should be greater than or equal to 1"),
        ([{"tokens": 1, "window": "Year"}], "supported values"),
    ],
)
def test_a_wrong_budget_is_refused(api_cluster: Cluster, namespace: str, budgets: list[JsonObject], says: str) -> None:
    """The refusal names the field and the remedy."""
    body = json.dumps(a_provider(*budgets))
    said = api_cluster.kubectl("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=body, check=False)
    assert says in said


def test_more_of_a_budget_is_approved_by_its_responders(api_cluster: Cluster, namespace: str) -> None:
    """The inbox shows the provider. Only Approve and Deny fit, and only the budget's responders may answer."""
    apply(
        api_cluster, namespace, a_provider({"tokens": 5, "timeZone": "Europe/Berlin", "selector": {"matchLabels": {"team": "a"}}})
    )
    name = "account-budget-01aa77ef"
    meta: JsonObject = {"name": name, "labels": {"runwatchman.dev/provider": "account"}}
    spec = {"runName": "account", "runUID": "u", "type": "Budget", "summary": "daily is spent", "responders": {"users": ["alice"]}}
    apply(api_cluster, namespace, {"apiVersion": API, "kind": "Escalation", "metadata": meta, "spec": spec})
    for user in ("alice", "bob"):
        allow(api_cluster, namespace, user, ("get,list,patch", RW))
    alice, bob = (Plugin(api_cluster, namespace, user) for user in ("alice", "bob"))
    assert "provider account" in alice.ok("inbox")
    assert "Provider:    account" in alice.ok("inbox", name)
    assert "use approve, deny" in alice.error("retry", name)
    refusal = api_cluster.kubectl(
        *("-n", namespace, "patch", "escalation", name, "--type=merge", "-p"),
        '{"spec":{"response":{"decision":"Retry","by":"admin"}}}',
        check=False,
    )
    assert "decision must fit the type: Approve or Deny" in refusal
    assert "and only these may answer: users alice" in bob.error("approve", name)
    assert f"escalation {meta['name']}: approve sent, by alice" in alice.ok("approve", name)
    assert get(api_cluster, namespace, "escalation", name)["spec"]["response"] == {"decision": "Approve", "by": "alice"}


ACTIVE = 3
"""Agents at work at once."""


def test_a_budget_is_counted_across_crashes_and_asked_about_once(rw: Plugin, operator: OperatorProcess) -> None:
    """Eight Runs use it, three at a time, and the operator is killed three times meanwhile.

    What is used beyond the budget is what the agents at work use to their end. The sum is exact, also of a Run that was deleted.
    """
    apply(
        rw.cluster,
        rw.namespace,
        a_provider({"tokens": 4 * EACH, "extraTokens": 10 * EACH, "window": "Month"}, maxActiveAgents=ACTIVE),
    )
    await_that(lambda: window(rw), "the window")
    apply(rw.cluster, rw.namespace, *(run_of(f"r{n}", simulated("run-forever") | {"provider": "account"}) for n in range(8)))
    await_that(lambda: len(started(rw)) == ACTIVE, "three agents at work")
    for done in range(4):
        work(rw, started(rw)[0])
        if done == 1:
            kill(operator)
        await_that(lambda: window(rw)["tokens"] >= (done + 1) * EACH, "the sum")  # noqa: B023
    await_that(lambda: list(reasons(rw).values()).count(WAITS) >= 1, "Runs to wait")
    for run in started(rw):
        work(rw, run)
    kill(operator)
    most = (4 + ACTIVE - 1) * EACH
    await_that(lambda: window(rw)["tokens"] == list(reasons(rw).values()).count(DONE) * EACH, "the sum of all that have ended")
    spent = window(rw)["tokens"]
    assert 4 * EACH <= spent <= most
    assert started(rw) == []
    assert len(asked(rw)) == 1
    waits = [run for run, reason in reasons(rw).items() if reason == WAITS]
    assert len(waits) == 8 - spent // EACH
    assert window(rw)["end"].removesuffix("Z") in status(rw.cluster, rw.namespace, waits[0])["message"]
    gone = next(run for run, reason in reasons(rw).items() if reason == DONE)
    rw.cluster.kubectl("-n", rw.namespace, "delete", "run", gone)
    name = asked(rw)[0]["metadata"]["name"]
    rw.ok("approve", name)
    kill(operator)
    await_that(lambda: len(started(rw)) == min(ACTIVE, len(waits)), "agents to start again")
    while runs := started(rw):
        work(rw, runs[0])
    await_that(lambda: window(rw)["tokens"] == 8 * EACH, "the exact sum")
    assert window(rw)["extraTokens"] == 10 * EACH
    assert [(e["metadata"]["name"], e["status"]["phase"]) for e in asked(rw)] == [(name, "Resolved")]


def test_stop_ends_agents_gracefully_until_there_is_room_again(rw: Plugin, operator: OperatorProcess) -> None:
    """The Run of the provider is halted and uncharged, another works on. Once the budget is raised it starts again by itself."""
    apply(rw.cluster, rw.namespace, a_provider({"tokens": EACH, "onSpent": "Stop", "window": "Month"}))
    await_that(lambda: window(rw), "the window")
    ours, other = simulated("run-forever") | {"provider": "account"}, simulated("run-forever")
    apply(rw.cluster, rw.namespace, run_of("ours", ours), run_of("other", other))
    await_that(lambda: started(rw) == ["other", "ours"], "both to work")
    report(rw, "ours", usage={"inputTokens": EACH, "outputTokens": 1})
    await_phase(rw.cluster, rw.namespace, "ours", "Halted")
    found = status(rw.cluster, rw.namespace, "ours")
    assert found["message"].startswith("budget daily of provider account is spent: 1,001 of 1,000 tokens; ")
    assert started(rw) == ["other"]
    assert asked(rw) == []
    assert "lift" not in rw.ok("explain", "ours")
    raised = json.dumps([{"op": "replace", "path": "/spec/budgets/0/tokens", "value": 5 * EACH}])
    rw.cluster.kubectl("-n", rw.namespace, "patch", "rwprov", "account", "--type=json", "-p", raised)
    await_that(lambda: started(rw) == ["other", "ours"], "both to work again")
    assert status(rw.cluster, rw.namespace, "ours")["restarts"] == 0
    assert operator.pid
