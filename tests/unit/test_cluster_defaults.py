"""What a policy, or the operator's options, give every agent's pod because of its cluster."""

from __future__ import annotations

from typing import Any

import click
import pytest
from pydantic import ValidationError

from controller.api.base import JsonObject, parse
from controller.api.checks import parse_run_spec
from controller.api.container_fields import PullPolicy
from controller.api.policy import RunPolicySpec
from controller.api.policy_defaults import PolicyDefaults
from controller.api.resolved_policy import ResolvedPolicy
from controller.cli.operator import operator
from controller.plan.snapshot import RunFacts
from controller.resources.cluster_defaults import CA_VARIABLES
from controller.resources.pod_builder import build_pod
from controller.resources.reporter_sidecar import Sidecar

PROXY = {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
TEMPLATE = {
    "spec": {
        "containers": [{"name": "agent", "image": "x", "env": [{"name": "HTTPS_PROXY", "value": "mine"}]}],
        "initContainers": [{"name": "first", "image": "x"}],
        "nodeSelector": {"pool": "mine"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
}


def pod_of(agent: JsonObject, sidecar: Sidecar | None = None, **policy: Any) -> JsonObject:
    """Return the spec of the pod of a Run with an agent, under a policy."""
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", **agent}]}})
    run = RunFacts("ns", "demo", "uid-1", 1, spec)
    found: JsonObject = build_pod(run, spec.agents[0], 0, policy=parse(RunPolicySpec, policy), sidecar=sidecar)["spec"]
    return found


def variables(container: JsonObject) -> dict[str, str]:
    """Return a container's variables."""
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_variables_reach_each_container_that_does_not_set_them() -> None:
    """A template's own value stays; the reporter, which reaches the API server only, gets none."""
    spec = pod_of({"template": TEMPLATE}, Sidecar("r:1"), env=[PROXY])
    reporter, first = spec["initContainers"]
    assert variables(spec["containers"][0])["HTTPS_PROXY"] == "mine"
    assert variables(first)["HTTPS_PROXY"] == "http://proxy:3128"
    assert "HTTPS_PROXY" not in variables(reporter)


def test_a_ca_bundle() -> None:
    """Each container of the Run mounts the ConfigMap's key, and the variables of common programs name the file."""
    spec = pod_of({"template": TEMPLATE}, Sidecar("r:1"), caBundle={"configMapName": "trust", "key": "all.pem"})
    (volume,) = [each for each in spec["volumes"] if each["name"] == "runwatchman-ca"]
    assert volume["configMap"] == {"name": "trust", "items": [{"key": "all.pem", "path": "ca.crt"}]}
    reporter, first = spec["initContainers"]
    for container in (spec["containers"][0], first):
        assert {"name": "runwatchman-ca", "mountPath": "/runwatchman/ca", "readOnly": True} in container["volumeMounts"]
        assert {variables(container)[name] for name in CA_VARIABLES} == {"/runwatchman/ca/ca.crt"}
    assert "runwatchman-ca" not in [mount["name"] for mount in reporter["volumeMounts"]]


def test_a_variable_comes_before_the_bundles() -> None:
    """A policy that sets one of these variables itself means that value."""
    spec = pod_of({"image": "x"}, caBundle={"configMapName": "trust"}, env=[{"name": "SSL_CERT_FILE", "value": "/x"}])
    assert variables(spec["containers"][0])["SSL_CERT_FILE"] == "/x"


def test_nodes_for_agents() -> None:
    """A template's labels of nodes come first; tolerations are added to a template's, each once."""
    tolerated = [{"key": "gpu", "operator": "Exists"}, {"key": "agents", "effect": "NoSchedule"}]
    spec = pod_of({"template": TEMPLATE}, nodeSelector={"pool": "agents", "zone": "a"}, tolerations=tolerated)
    assert spec["nodeSelector"] == {"pool": "mine", "zone": "a"}
    assert spec["tolerations"] == tolerated


def test_a_policy_without_them_changes_nothing() -> None:
    """Then a pod has neither nodes nor a bundle."""
    spec = pod_of({"image": "x"})
    assert not {"nodeSelector", "tolerations"} & spec.keys()
    assert "runwatchman-ca" not in [each["name"] for each in spec["volumes"]]


def test_the_operators_variables_stay_its_own() -> None:
    """A policy cannot set RUNWATCHMAN_*, as a Run cannot."""
    with pytest.raises(ValidationError, match="reserved for the operator"):
        parse(RunPolicySpec, {"env": [{"name": "RUNWATCHMAN_RUN", "value": "x"}]})


def test_the_pull_policy_of_reporters() -> None:
    """It is the operator's, and Kubernetes' default without one."""
    assert pod_of({"image": "x"}, Sidecar("r:1", pull_policy=PullPolicy.NEVER))["initContainers"][0]["imagePullPolicy"] == "Never"
    assert "imagePullPolicy" not in pod_of({"image": "x"}, Sidecar("r:1"))["initContainers"][0]


def option(value: str) -> RunPolicySpec:
    """Return the value of --agents-pods."""
    parsed = operator.make_context("operator", ["--agents-pods", value]).params["agents_pods"]
    assert isinstance(parsed, RunPolicySpec)
    return parsed


def test_the_installers_values_are_defaults_of_every_policy() -> None:
    """A RunPolicy that sets a field replaces the installer's value of that field, and keeps the others."""
    pods = option(
        '{"env":[{"name":"HTTPS_PROXY","value":"p"}],"nodeSelector":{"pool":"agents"},"resources":{"limits":{"memory":"1Gi"}}}'
    )
    own = ResolvedPolicy.of("p", parse(RunPolicySpec, {"nodeSelector": {}}))
    spec = PolicyDefaults(pods=pods).complete(own).spec
    assert (spec.env, spec.resources, spec.node_selector) == (pods.env, pods.resources, {})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "{restartBudget: 1}",
            "restartBudget: only env, caBundle, nodeSelector, tolerations, resources, podMetadata may be set here",
        ),
        ("{tolerations: [{effect: Never}]}", "tolerations"),
    ],
)
def test_other_values_are_refused(value: str, words: str) -> None:
    """A field that is not of pods, or a wrong one, ends the start with its name."""
    with pytest.raises(click.BadParameter, match=words.replace("[", "\\[")):
        option(value)
