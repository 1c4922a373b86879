"""The permission to scrape, and the metrics of restarts and budgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import users
from tests.cluster import Cluster
from tests.plugin import Plugin, report
from tests.support import OperatorProcess, apply, ask, await_phase, await_that, failing, policy_of, run_of, simulated_forever

RESTARTS, LEFT = "runwatchman_restarts_total", "runwatchman_restart_budget_left"


@pytest.fixture
def operator(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator of the test's own, whose counters begin at 0."""
    told = ("--namespace", namespace, "--lease-name", f"metrics-{namespace}")
    with OperatorProcess(api_cluster, *told) as started:
        yield started


@pytest.fixture
def secured(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator as the chart installs it for one namespace: its metrics are secured, and it may create reviews of its readers."""
    with as_account(api_cluster, namespace, reviews=True) as started:
        yield started


@contextmanager
def as_account(cluster: Cluster, namespace: str, *, reviews: bool) -> Iterator[OperatorProcess]:
    """Run an operator with the shipped roles only, with or without the right to create reviews."""
    home = f"{namespace}-home"  # the operator's own account is in another namespace than the Runs
    account = users.operator_account(cluster, home, namespace)
    subject = f"--serviceaccount={home}:operator"
    told = ("--namespace", namespace, "--lease-namespace", home, "--metrics-secure")
    asks = bound(cluster, namespace, "runwatchman-operator-metrics", subject) if reviews else nullcontext()
    with asks, OperatorProcess(account, *told) as started:
        yield started
    cluster.kubectl("delete", "namespace", home, "--wait=false")


@contextmanager
def bound(cluster: Cluster, namespace: str, role: str, subject: str) -> Iterator[None]:
    """Bind a role cluster-wide to an account, under a name made from the namespace."""
    name = f"{role}-{namespace}"
    cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={role}", subject)
    yield
    cluster.kubectl("delete", "clusterrolebinding", name)


def token_of(cluster: Cluster, namespace: str, name: str) -> str:
    """Return the token of a new service account."""
    cluster.kubectl("-n", namespace, "create", "serviceaccount", name)
    return users.token(cluster, namespace, name)


def test_only_who_may_read_metrics_reads_them(api_cluster: Cluster, secured: OperatorProcess, namespace: str) -> None:
    """A client without a token gets 401, one without the right 403 with the binding to create; a permitted reader is let in,
    over TLS.
    """
    prometheus, stranger = (token_of(api_cluster, namespace, name) for name in ("prometheus", "stranger"))
    assert secured.probe("metrics", "metrics")[0] == 401
    assert secured.probe("metrics", "metrics", "made-up")[0] == 401
    code, why = secured.probe("metrics", "metrics", stranger)
    assert (code, "runwatchman-metrics-reader" in why, "stranger" in why) == (403, True, True)
    with bound(api_cluster, namespace, "runwatchman-metrics-reader", f"--serviceaccount={namespace}:prometheus"):
        code, text = secured.probe("metrics", "metrics", prometheus)
    assert (code, "runwatchman_leader 1.0" in text) == (200, True)
    assert ask(f"http://127.0.0.1:{secured.port('metrics')}/metrics") == (0, "")
    assert secured.probe("health", "livez")[0] == 200


def test_without_the_right_to_ask_nobody_is_let_in(api_cluster: Cluster, namespace: str) -> None:
    """An operator that may not create reviews refuses every reader and logs the binding to create; it is ready and works all the
    same.
    """
    with as_account(api_cluster, namespace, reviews=False) as operator:
        assert operator.probe("metrics", "metrics")[0] == 401
        assert operator.probe("metrics", "metrics", token_of(api_cluster, namespace, "prometheus"))[0] == 503
        [said] = [line for line in operator.lines() if "metrics are refused" in line["event"]]
        assert "bind the ClusterRole runwatchman-operator-metrics" in said["error"]
        apply(api_cluster, namespace, run_of("works"))
        await_phase(api_cluster, namespace, "works", "Completed")


def series(operator: OperatorProcess, name: str) -> dict[str, float]:
    """Return a metric's values, by its charge or Run."""
    families = text_string_to_metric_families(operator.probe("metrics", "metrics")[1])
    samples = (sample for family in families for sample in family.samples if sample.name == name)
    return {sample.labels.get("charge") or sample.labels["run"]: sample.value for sample in samples}


def labelled(operator: OperatorProcess, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return a metric's values, by these labels."""
    families = text_string_to_metric_families(operator.probe("metrics", "metrics")[1])
    samples = (sample for family in families for sample in family.samples if sample.name == name)
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in samples}


def test_ends_usage_and_waits(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """A Run counts once when it ends, its tokens and dollars when the attempt that used them ends, and the time of an escalation
    when a human has answered it.
    """
    policy = policy_of({"restartBudget": 0, "outcomes": [{"exitCodes": [9], "action": "Fail"}]})
    apply(api_cluster, namespace, policy, run_of("done"), failing("stuck"), simulated_forever("works"))
    await_phase(api_cluster, namespace, "done", "Completed")
    await_phase(api_cluster, namespace, "stuck", "Blocked")
    await_phase(api_cluster, namespace, "works", "Running")
    tenant, mine = ("namespace", "policy"), (namespace, "default")
    await_that(lambda: labelled(operator, WAITING, "type")[("Blocked",)] == 1, "the blocked Run waiting")
    assert labelled(operator, FINISHED, *tenant, "phase", "reason") == {(*mine, "Completed", "AllAgentsComplete"): 1.0}
    rw = Plugin(api_cluster, namespace)
    report(rw, "works", usage={"inputTokens": 1000, "outputTokens": 234, "costMicroUSD": 1_500_000})
    assert labelled(operator, "runwatchman_agent_tokens_total", *tenant) == {}, "its attempt has not ended"
    rw.ok("stop", "works")
    await_phase(api_cluster, namespace, "works", "Stopped")
    rw.ok("fail", "stuck")
    await_phase(api_cluster, namespace, "stuck", "Failed")
    ends = {("Completed", "AllAgentsComplete"): 1.0, ("Stopped", "StopRequested"): 1.0, ("Failed", "StopOrdered"): 1.0}
    assert labelled(operator, FINISHED, "phase", "reason") == ends
    assert labelled(operator, "runwatchman_agent_tokens_total", "direction") == {("input",): 1000.0, ("output",): 234.0}
    assert labelled(operator, "runwatchman_agent_cost_usd_total", *tenant) == {mine: 1.5}
    await_that(
        lambda: labelled(operator, "runwatchman_human_wait_seconds_count", "type") == {("Blocked",): 1.0}, "the wait counted"
    )
    assert labelled(operator, "runwatchman_waited_for_people_seconds_total", *tenant)[mine] >= 0
    assert labelled(operator, WAITING, "type")[("Blocked",)] == 0


FINISHED, WAITING = "runwatchman_runs_finished_total", "runwatchman_escalations_open"


def test_restarts_and_the_budget_left(api_cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """Restarts are counted by their charge, once each; the rest of a budget is reported while its Run is unfinished, and no
    longer.
    """
    policy = policy_of({"restartBudget": 2, "restartCooldownSeconds": 1})
    apply(api_cluster, namespace, policy, failing("spent"), simulated_forever("asked"), run_of("done"))
    await_phase(api_cluster, namespace, "spent", "Blocked")
    await_phase(api_cluster, namespace, "asked", "Running")
    await_phase(api_cluster, namespace, "done", "Completed")
    await_that(lambda: series(operator, LEFT) == {"spent": 0.0, "asked": 2.0}, "the budgets of the unfinished alone")
    assert series(operator, RESTARTS) == {"budget": 2.0}
    asked = json.dumps({"spec": {"restartedAt": {"coder": "2026-01-01T00:00:00Z"}}})
    api_cluster.kubectl("-n", namespace, "patch", "run", "asked", "--type=merge", "-p", asked)
    await_that(lambda: series(operator, RESTARTS) == {"budget": 2.0, "nobody": 1.0}, "the manual restart counted")
    assert series(operator, LEFT)["asked"] == 2.0
    api_cluster.kubectl("-n", namespace, "delete", "run", "spent", "asked")
    await_that(lambda: not series(operator, LEFT), "the removal of the deleted Runs' series")
