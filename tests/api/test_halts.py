"""Halts on a real API server: who may set and lift them, what admission refuses, and a fleet that is halted and lifted."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from controller.api.base import JsonObject
from controller.cache.halts import AGENTS_PER_SECOND
from tests import users
from tests.cluster import Cluster
from tests.plugin import Plugin
from tests.support import (
    OperatorProcess,
    apply,
    await_phase,
    await_that,
    condition,
    get,
    items,
    run_of,
    simulated_forever,
    status,
)

API = "runwatchman.dev/v1alpha1"
ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
READ = re.compile(r'apiserver_request_total\{(?=.*resource="(cluster)?halts")(?=.*verb="GET")')
REASON = "the provider is down"
FLEET = 100
ENDED_SECONDS = 40.0
"""The agents' grace period of 30 s and ten seconds."""


@pytest.fixture
def rw(api_cluster: Cluster, namespace: str) -> Iterator[Plugin]:
    """The plugin, as the cluster's admin; it leaves no halt behind."""
    yield Plugin(api_cluster, namespace)
    api_cluster.kubectl("delete", "clusterhalts", "--all")


@pytest.fixture
def operator(api_cluster: Cluster, namespace: str) -> Iterator[OperatorProcess]:
    """An operator of this namespace alone."""
    with OperatorProcess(api_cluster, "--namespace", namespace, "--lease-name", namespace) as process:
        yield process


def halt_of(by: str, name: str = "halt", kind: str = "Halt") -> JsonObject:
    """Return a halt, or one with a wrong author or name."""
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": {"reason": REASON, "by": by}}


def refused(cluster: Cluster, namespace: str, *args: str, body: JsonObject | None = None) -> str:
    """Return the words with which a kubectl call is refused; empty if it succeeded."""
    said = cluster.kubectl("-n", namespace, *args, stdin=json.dumps(body) if body else None, check=False)
    return said if "rror" in said or "invalid" in said else ""


def creation(cluster: Cluster, namespace: str) -> str:
    """Return the words with which a new Run is refused; empty if it would be created."""
    return refused(cluster, namespace, "create", "--dry-run=server", "-f", "-", body=run_of("new"))


def phases(cluster: Cluster, namespace: str) -> set[str]:
    """Return the phases of all Runs."""
    return {run.get("status", {}).get("phase", "") for run in items(cluster, namespace, "runs")}


def live(cluster: Cluster, namespace: str) -> list[JsonObject]:
    """Return the pods that have not ended."""
    return [pod for pod in items(cluster, namespace, "pods") if pod["status"]["phase"] in ("Pending", "Running")]


def test_a_halt_names_its_author_and_stays_as_it_is(api_cluster: Cluster, namespace: str) -> None:
    """The author is whom the API server has authenticated. There is one switch, and what it says cannot be changed."""
    said = refused(api_cluster, namespace, "create", "-f", "-", body=halt_of("mallory"))
    assert 'spec.by is "mallory", but you are "admin": set it to that' in said
    assert "metadata.name must be halt" in refused(api_cluster, namespace, "create", "-f", "-", body=halt_of("admin", "other"))
    apply(api_cluster, namespace, halt_of("admin"))
    patch = ("patch", "halt.runwatchman.dev", "halt", "--type=merge", "-p")
    assert "reason is immutable" in refused(api_cluster, namespace, *patch, '{"spec":{"reason":"x"}}')
    assert "by is immutable" in refused(api_cluster, namespace, *patch, '{"spec":{"by":"x"}}')


def test_who_may_halt(api_cluster: Cluster, namespace: str) -> None:
    """A namespace's admin halts it and an editor does not; neither halts the cluster, which has a role of its own."""
    for role, name in (("edit", "halting-editor"), ("admin", "halting-admin"), ("runwatchman-view", "halting-viewer")):
        users.grant(api_cluster, namespace, role, f"--user={name}")
    users.grant(api_cluster, None, "runwatchman-cluster-halt", "--user=halting-on-call")

    def may(user: str, verb: str, resource: str) -> bool:
        words = ("auth", "can-i", verb, f"{resource}.runwatchman.dev", "--as", user)
        return "yes" in api_cluster.kubectl("-n", namespace, *words, check=False).splitlines()

    await_that(lambda: may("halting-admin", "create", "halts"), "the roles to be aggregated")
    assert may("halting-admin", "delete", "halts")
    assert [may("halting-editor", verb, "halts") for verb in ("get", "create", "delete")] == [True, False, False]
    assert [may("halting-viewer", verb, "halts") for verb in ("list", "delete")] == [True, False]
    assert not any(may(user, "create", "clusterhalts") for user in ("halting-editor", "halting-admin"))
    assert [may("halting-on-call", verb, "clusterhalts") for verb in ("create", "delete")] == [True, True]


def test_creation_is_refused_and_changes_are_not(api_cluster: Cluster, rw: Plugin, namespace: str) -> None:
    """The refusal says who, when and why. A Run that exists may be changed and deleted; other namespaces are free."""
    apply(api_cluster, namespace, simulated_forever("old"))
    assert rw.ok("halt", "--reason", REASON) == f"namespace {namespace} is halted, by admin\n"
    since = get(api_cluster, namespace, "halts.runwatchman.dev", "halt")["metadata"]["creationTimestamp"]
    words = f"namespace {namespace} is halted by admin since {since}: {REASON}; no Run can be created until it is lifted"
    await_that(lambda: words in creation(api_cluster, namespace), "admission to know the halt")
    assert words in rw.error("run", "another", "--image", "x")
    assert creation(api_cluster, "default") == ""
    assert "run old: desiredState is now Paused" in rw.ok("pause", "old")
    api_cluster.kubectl("-n", namespace, "delete", "run", "old")
    assert f"unchanged, it is halted by admin since {since}: {REASON}" in rw.ok("halt", "--reason", "another")
    assert f"namespace {namespace} is no longer halted" in rw.ok("lift")
    await_that(lambda: not creation(api_cluster, namespace), "admission to know the lift")
    assert rw.ok("lift") == f"namespace {namespace} is not halted\n"


def reads_of_halts(cluster: Cluster) -> float:
    """Return how many single halts the API server has read for anybody, itself included."""
    lines = cluster.kubectl("get", "--raw", "/metrics").splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if READ.match(line))


def test_a_new_run_costs_no_read_of_a_halt(api_cluster: Cluster, namespace: str) -> None:
    """Admission looks halts up in the API server's cache: reads would take a tenth of what a Run costs the API server."""
    before = reads_of_halts(api_cluster)
    apply(api_cluster, namespace, *(run_of(f"r{number}") for number in range(3)))
    assert reads_of_halts(api_cluster) == before


def test_the_documented_commands(api_cluster: Cluster, rw: Plugin, namespace: str) -> None:
    """The commands of docs/halt.md print what the page shows, for the user and the time of the test."""
    block = BLOCK.search((ROOT / "docs/halt.md").read_text())
    assert block
    for part in block[1].replace("team", namespace).replace("alice", "admin").split("$ kubectl rw ")[1:]:
        command, _, shown = part.partition("\n")
        if command.startswith("run"):
            await_that(lambda: creation(api_cluster, namespace), "admission to know the halt")
        done = rw(*shlex.split(command))
        assert TIME.sub("TIME", done.stdout + done.stderr).splitlines() == TIME.sub("TIME", shown).splitlines()


def test_the_cluster_is_halted(api_cluster: Cluster, operator: OperatorProcess, rw: Plugin, namespace: str) -> None:
    """Every command shows the halt. A Run that its user has paused stays paused, a stop is final, and a deletion works."""
    names = ("works", "rests", "ends", "goes")
    apply(api_cluster, namespace, *(simulated_forever(name) for name in names))
    for name in names:
        await_phase(api_cluster, namespace, name, "Running")
    rw.ok("pause", "rests")
    await_phase(api_cluster, namespace, "rests", "Paused")
    assert rw.ok("halt", "--all-namespaces", "--reason", REASON) == "the cluster is halted, by admin\n"
    for name in names:
        await_phase(api_cluster, namespace, name, "Halted")
    await_that(lambda: "the cluster is halted by admin" in creation(api_cluster, namespace), "admission to know the halt")
    assert condition(status(api_cluster, namespace, "works"), "Halted") == ("True", "Halted")
    for shown in (rw.ok("get"), rw.ok("describe", "works"), rw.ok("explain", "works"), rw("inbox").stderr):
        assert "the cluster is halted by admin since " in shown
        assert REASON in shown
    assert "kubectl rw lift --all-namespaces" in rw.ok("explain", "works")
    assert "its agents start again after kubectl rw lift --all-namespaces" in rw.error("restart", "works")
    events = [event for event in items(api_cluster, namespace, "events") if event["reason"] == "Halted"]
    assert {event["involvedObject"]["name"] for event in events} == {*names}
    shown = operator.probe("metrics", "metrics")[1]
    assert 'runwatchman_halts{scope="cluster"} 1.0' in shown
    assert 'runwatchman_halt_oldest_seconds{scope="cluster"} 0.0' not in shown
    rw.ok("stop", "ends")
    await_phase(api_cluster, namespace, "ends", "Stopped")
    api_cluster.kubectl("-n", namespace, "delete", "run", "goes")
    rw.ok("lift", "--all-namespaces")
    await_phase(api_cluster, namespace, "works", "Running")
    await_phase(api_cluster, namespace, "rests", "Paused")
    assert status(api_cluster, namespace, "works")["restarts"] == 0
    assert status(api_cluster, namespace, "ends")["phase"] == "Stopped"
    assert "Halted" not in {c["type"] for c in status(api_cluster, namespace, "works")["conditions"]}
    await_that(lambda: lifted(api_cluster, namespace) == {"works", "rests"}, "the Events of the lift")


def lifted(cluster: Cluster, namespace: str) -> set[str]:
    """Return the Runs with an Event about a lifted halt."""
    found = [event for event in items(cluster, namespace, "events") if event["reason"] == "HaltLifted"]
    assert all("the cluster was halted by admin since " in event["message"] for event in found)
    return {event["involvedObject"]["name"] for event in found}


def test_a_fleet_is_halted_and_lifted(api_cluster: Cluster, operator: OperatorProcess, rw: Plugin, namespace: str) -> None:
    """A hundred agents end within their grace period and ten seconds, and a killed operator does not lift the halt.

    After the lift all start again at the rate, uncharged, and complete.
    """
    names = [f"r{number}" for number in range(FLEET)]
    apply(api_cluster, namespace, *map(simulated_forever, names))
    await_that(lambda: phases(api_cluster, namespace) == {"Running"}, "a hundred agents at work")
    rw.ok("halt", "--reason", REASON)
    await_that(lambda: not live(api_cluster, namespace), "every agent to end", ENDED_SECONDS)
    await_that(lambda: phases(api_cluster, namespace) == {"Halted"}, "every status to show it")
    operator.stop(signal.SIGKILL)
    operator.start()
    await_that(lambda: "halted by admin since " in creation(api_cluster, namespace), "admission to know the halt")
    assert phases(api_cluster, namespace) == {"Halted"}
    assert len(items(api_cluster, namespace, "pods")) == FLEET
    rw.ok("lift")
    await_that(lambda: _all_again(api_cluster, namespace), "new attempts")
    again = [pod for pod in items(api_cluster, namespace, "pods") if pod["metadata"]["name"].endswith("-r1")]
    assert len(again) == FLEET
    made = sorted(datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in again)
    assert (made[-1] - made[0]).total_seconds() >= FLEET / AGENTS_PER_SECOND - 2
    outcome = "test.runwatchman.dev/outcome=succeed"
    api_cluster.kubectl("-n", namespace, "annotate", "pods", "--all", "--overwrite", outcome)
    await_that(lambda: phases(api_cluster, namespace) == {"Completed"}, "all Runs to complete")
    assert {run["status"]["restarts"] for run in items(api_cluster, namespace, "runs")} == {0}


def _all_again(cluster: Cluster, namespace: str) -> bool:
    """Whether every agent has its next attempt."""
    names: list[str] = [pod["metadata"]["name"] for pod in live(cluster, namespace)]
    return sum(name.endswith("-r1") for name in names) == FLEET
