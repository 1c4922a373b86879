"""Budgets on a real API server: what the CRD and admission refuse, and how people answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.plugin import Plugin, allow
from tests.support import apply, get

API = "runwatchman.dev/v1alpha1"
RW = "escalations.runwatchman.dev"


def a_provider(*budgets: JsonObject, **spec: Any) -> JsonObject:
    """Return a provider with these budgets; each is a day's by default."""
    filled = [{"name": "daily", "window": "Day", **budget} for budget in budgets]
    return {"apiVersion": API, "kind": "Provider", "metadata": {"name": "account"}, "spec": {"budgets": filled, **spec}}


@pytest.mark.parametrize(
    ("budgets", "says"),
    [
        ([{"tokens": 1, "timeZone": "Europe/Atlantis"}], "timeZone must be an IANA time zone"),
        ([{"tokens": 1, "timeZone": "../etc"}], "timeZone"),
        ([{"warnPercent": 50}], "set at least one of tokens and costMicroUSD"),
        ([{"tokens": 1}, {"tokens": 2}], "budgets' names must be unique"),
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
