"""The scenes of cli.md: its commands typed as shown, on Runs in the page's states.

The ones of the inbox are in test_rw_inbox.py, since no operator runs there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.api.test_docs_commands import block
from tests.cluster import Cluster
from tests.plugin import Plugin, report
from tests.scenes import play
from tests.support import OperatorProcess, apply, await_phase, await_that, failing, policy_of, run_of, simulated, status

POD = {"containers": [{"name": "agent", "image": "x"}]}
COMPLETES = {"template": {"spec": POD}}
FOREVER = simulated("run-forever")
HOST = {"template": {"spec": POD | {"hostNetwork": True}}}
LAST_WORDS = {"progressAgeSeconds": 138, "message": "ported 3 of 7 modules"}


@pytest.fixture(scope="module")
def rw(api_cluster: Cluster, api_operator: OperatorProcess) -> Iterator[Plugin]:
    """The plugin with the page's Runs: one has completed, one cools down, one is at work, two are blocked."""
    plugin = Plugin(api_cluster, f"t-{uuid.uuid4().hex[:8]}")
    api_cluster.kubectl("create", "namespace", plugin.namespace)
    apply(api_cluster, plugin.namespace, policy_of({"restartBudget": 0}, "strict"))
    runs = [run_of("hello", COMPLETES), run_of("bad", HOST), failing("crashes")]
    runs += [failing("stuck", policyRef={"name": "strict"}), run_of("refactor", FOREVER, {"name": "tester"} | FOREVER)]
    apply(api_cluster, plugin.namespace, *runs)
    for run, phase in {"hello": "Completed", "bad": "Blocked", "stuck": "Blocked", "refactor": "Running"}.items():
        await_phase(api_cluster, plugin.namespace, run, phase)
    await_that(lambda: status(api_cluster, plugin.namespace, "crashes").get("reason") == "RestartCooldown", "the cooldown")
    await_that(lambda: "RestartBudgetSpent: Blocked" in plugin.ok("describe", "stuck"), "its Event")
    report(plugin, "refactor", **LAST_WORDS)
    yield plugin
    api_cluster.kubectl("delete", "namespace", plugin.namespace, "--wait=false")


def test_the_table_of_runs(rw: Plugin) -> None:
    """docs/cli.md, `get`: a line for each Run, and that a question is open."""
    scene = block("cli.md", "$ kubectl rw get")
    await_that(lambda: "ported 3 of 7" in rw.ok("get", "refactor"), "the agent's last words")
    play(rw, scene)


@pytest.mark.parametrize("begins", ["$ kubectl rw describe stuck", "$ kubectl rw explain crashes"])
def test_one_run_looked_at(rw: Plugin, begins: str) -> None:
    """docs/cli.md, `describe` and `explain`: the state and its reason, the past events, the next steps."""
    play(rw, block("cli.md", begins))


def test_steering(rw: Plugin) -> None:
    """docs/cli.md: a Run is paused, resumed, restarted, stopped; after its end these commands are refused."""
    apply(rw.cluster, rw.namespace, run_of("hi", COMPLETES))
    await_phase(rw.cluster, rw.namespace, "hi", "Completed")
    play(rw, block("cli.md", "$ kubectl rw pause refactor"))


def test_again(rw: Plugin) -> None:
    """docs/cli.md, `rerun`: the next free number."""
    play(rw, block("cli.md", "$ kubectl rw rerun hello"))
