"""Pods that real kubelets cannot start: the escalation has the kubelet's own words, which are in Events only."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.support import apply, await_phase, await_that, items, policy_of

FAULT = Path(__file__).parent.parent / "unit/data/faults/missing-volume-secret.yaml"
IMPATIENT = policy_of({"confirmationIntervalSeconds": 1, "health": {"pendingStalledSeconds": 10}})
WORDS = 'secret "deploy-key" not found'


def test_a_missing_secret_is_named(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """A volume's Secret does not exist: status, agent and escalation quote the kubelet. With the Secret the agent starts."""
    apply(kind_cluster, namespace, IMPATIENT, yaml.safe_load(FAULT.read_text()))
    found = await_phase(kind_cluster, namespace, "nosecret", "Blocked")
    assert found["reason"] == "PendingStalled"
    assert WORDS in found["message"], found["message"]
    assert WORDS in found["agents"][0]["message"]
    [asked] = await_that(lambda: items(kind_cluster, namespace, "escalations"), "the escalation")
    assert f'FailedMount: MountVolume.SetUp failed for volume "ssh" : {WORDS}' in asked["spec"]["text"]
    kind_cluster.kubectl("-n", namespace, "create", "secret", "generic", "deploy-key", "--from-literal=id=key")
    await_phase(kind_cluster, namespace, "nosecret", "Running")
    await_that(lambda: items(kind_cluster, namespace, "escalations")[0]["status"]["phase"] == "Resolved", "the escalation's end")
