"""Quantities of Runs and policies: numbers as well as texts, passed on as they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import dump, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.policy import RunPolicySpec
from controller.api.policy_file import parse_policy_file
from controller.api.violations import Refused
from controller.plan.limits import workspace
from controller.plan.snapshot import RunFacts
from controller.resources.claim_builder import build_claim
from controller.resources.pod_builder import build_pod

FAULTS = Path(__file__).parents[1] / "data/faults/quantities.yaml"
NUMBERS: list[Any] = [2, 0.5, 1073741824, "2", "0.5", "1Gi", "1e3", "500m"]


def facts(agent: dict[str, Any]) -> RunFacts:
    """Return the facts of an accepted Run with this agent."""
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", **agent}]}})
    assert check_run(spec) == ()
    return RunFacts("ns", "demo", "uid-1", 1, spec)


def container_of(agent: dict[str, Any], policy: RunPolicySpec | None = None) -> dict[str, Any]:
    """Return the container in the pod of this agent."""
    run = facts(agent)
    assert run.spec
    container: dict[str, Any] = build_pod(run, run.spec.agents[0], 0, policy=policy or RunPolicySpec())["spec"]["containers"][0]
    return container


def test_the_reported_runs_are_accepted() -> None:
    """`cpu: 2` and a workspace of 1073741824 bytes reach the pod and the claim as numbers."""
    cpu, size = (parse_run_spec(run) for run in yaml.safe_load_all(FAULTS.read_text()))
    assert dump(cpu)["agents"][0]["resources"] == {"limits": {"cpu": 2, "memory": "1Gi"}}
    claim = build_claim(RunFacts("ns", "wsint", "uid-1", 1, size), size.agents[0])
    assert claim["spec"]["resources"]["requests"]["storage"] == 1073741824


@pytest.mark.parametrize("value", NUMBERS)
def test_resources_reach_the_pod_unchanged(value: object) -> None:
    """The short form, a template and a policy pass a quantity on in the type in which it was written."""
    resources = {"limits": {"cpu": value}, "requests": {"cpu": value}}
    template = {"spec": {"containers": [{"name": "agent", "image": "x", "resources": resources}]}}
    policy = parse(RunPolicySpec, {"resources": resources})
    for found in (
        container_of({"image": "x", "resources": resources}),
        container_of({"template": template}),
        container_of({"image": "x"}, policy),
    ):
        assert found["resources"] == resources
        assert type(found["resources"]["limits"]["cpu"]) is type(value)


@pytest.mark.parametrize("value", NUMBERS)
def test_the_other_quantities_take_numbers_too(value: object) -> None:
    """A divisor and the size limit of an emptyDir are quantities, in the short form and in templates."""
    source = {"resourceFieldRef": {"resource": "limits.cpu", "divisor": value}}
    env = [{"name": "CPUS", "valueFrom": source}]
    assert container_of({"image": "x", "env": env})["env"][-1]["valueFrom"] == source
    run = facts(
        {
            "template": {
                "spec": {
                    "containers": [{"name": "agent", "image": "x", "env": env}],
                    "volumes": [{"name": "v", "emptyDir": {"sizeLimit": value}}],
                }
            }
        }
    )
    assert run.spec
    spec = build_pod(run, run.spec.agents[0], 0)["spec"]
    assert spec["volumes"][0] == {"name": "v", "emptyDir": {"sizeLimit": value}}
    assert spec["containers"][0]["env"][-1]["valueFrom"] == source


@pytest.mark.parametrize(
    ("size", "most", "fits"),
    [
        (1073741824, "1Gi", True),
        (1073741825, "1Gi", False),
        ("1Gi", 1073741824, True),
        ("1025Mi", 1073741824, False),
        (1.5, 2, True),
        ("2e3", "1k", False),
    ],
)
def test_a_policy_compares_amounts(size: object, most: object, fits: bool) -> None:
    """`workspaceMaxSize` bounds sizes of any form; the fault has both as they were written."""
    run = facts({"image": "x", "workspace": {"size": size}})
    assert run.spec
    fault = workspace(run.spec.agents[0], parse(RunPolicySpec, {"workspaceMaxSize": most}))
    assert (fault == "") is fits
    assert fits or fault == f"workspace.size is {size}, but the policy allows at most {most} (workspaceMaxSize)"


def test_a_policy_file_takes_numbers() -> None:
    """The operator's own policy takes what a RunPolicy takes."""
    policy = parse_policy_file("workspaceMaxSize: 1073741824\nresources: {limits: {cpu: 1.5}}\n")
    assert dump(policy)["workspaceMaxSize"] == 1073741824
    assert dump(policy)["resources"] == {"limits": {"cpu": 1.5}}


@pytest.mark.parametrize("value", [True, "lots", "1K", -1, "-1", {}, [], "1e400"], ids=repr)
@pytest.mark.parametrize("form", ["short", "template"])
def test_other_values_are_refused_with_their_path(value: object, form: str) -> None:
    """What is no quantity is refused before a pod is built, once, with the form that fits."""
    container = {"image": "x", "resources": {"limits": {"cpu": value}}}
    agent = container if form == "short" else {"template": {"spec": {"containers": [{"name": "agent", **container}]}}}
    try:
        found = check_run(parse_run_spec({"spec": {"agents": [{"name": "coder", **agent}]}}))
    except Refused as refused:
        found = refused.violations
    (violation,) = found
    assert violation.path.startswith("spec.agents[0].")
    assert "cpu" in violation.path
    assert violation.message.startswith("must be a quantity ")
