"""Immutable fields: every add, remove, change and reorder is refused, and mutable fields stay mutable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.support import answer, apply, run_of

SOURCE = {"git": {"url": "https://git.example/x.git"}}
TWO = ({"name": "a"}, {"name": "b", "workspace": {"size": "1Gi", "source": SOURCE}, "env": [{"name": "K", "value": "v"}]})
RUN = run_of("fixed", *TWO, brief="first")
BARE = run_of("bare", {"name": "a"})
TEMPLATED = run_of("templated", {"template": {"spec": {"containers": [{"name": "agent", "image": "x"}]}}})
ESCALATION = {
    "apiVersion": "runwatchman.dev/v1alpha1",
    "kind": "Escalation",
    "metadata": {"name": "ask"},
    "spec": {
        "runName": "r",
        "runUID": "u",
        "type": "Question",
        "summary": "s",
        "text": "t",
        "options": ["yes", "no"],
        "responders": {},
    },
}

REFUSED = [
    ("run/fixed", [{"op": "remove", "path": "/spec/brief"}], "brief is immutable"),
    ("run/fixed", [{"op": "replace", "path": "/spec/brief", "value": "second"}], "brief is immutable"),
    ("run/bare", [{"op": "add", "path": "/spec/brief", "value": "late"}], "brief is immutable"),
    ("run/fixed", [{"op": "move", "from": "/spec/agents/0", "path": "/spec/agents/1"}], "agents is immutable"),
    ("run/fixed", [{"op": "remove", "path": "/spec/agents/0"}], "agents is immutable"),
    ("run/fixed", [{"op": "remove", "path": "/spec/agents"}], "spec.agents: Required"),
    ("run/fixed", [{"op": "add", "path": "/spec/agents/-", "value": {"name": "c", "image": "x"}}], "agents is immutable"),
    ("run/fixed", [{"op": "replace", "path": "/spec/agents/0/image", "value": "y"}], "agents is immutable"),
    ("run/fixed", [{"op": "add", "path": "/spec/agents/1/workspace/source/git/revision", "value": "v2"}], "agents is immutable"),
    ("run/fixed", [{"op": "remove", "path": "/spec/agents/1/workspace/source"}], "agents is immutable"),
    ("run/fixed", [{"op": "add", "path": "/spec/agents/0/command", "value": ["ls"]}], "agents is immutable"),
    ("run/fixed", [{"op": "replace", "path": "/spec/agents/0/required", "value": False}], "agents is immutable"),
    ("run/fixed", [{"op": "remove", "path": "/spec/agents/1/workspace"}], "agents is immutable"),
    ("run/fixed", [{"op": "add", "path": "/spec/agents/0/workspace", "value": {}}], "agents is immutable"),
    ("run/fixed", [{"op": "replace", "path": "/spec/agents/1/env/0/value", "value": "w"}], "agents is immutable"),
    ("run/templated", [{"op": "add", "path": "/spec/agents/0/template/spec/nodeName", "value": "n"}], "agents is immutable"),
    (
        "run/templated",
        [{"op": "replace", "path": "/spec/agents/0/template/spec/containers/0/image", "value": "y"}],
        "agents is immutable",
    ),
    ("escalation/ask", [{"op": "replace", "path": "/spec/summary", "value": "x"}], "summary is immutable"),
    ("escalation/ask", [{"op": "replace", "path": "/spec/text", "value": "x"}], "text is immutable"),
    ("escalation/ask", [{"op": "remove", "path": "/spec/text"}], "text is immutable"),
    ("escalation/ask", [{"op": "replace", "path": "/spec/options", "value": ["no", "yes"]}], "options is immutable"),
    ("escalation/ask", [{"op": "remove", "path": "/spec/options"}], "options is immutable"),
    ("escalation/ask", [{"op": "replace", "path": "/spec/type", "value": "Blocked"}], "type is immutable"),
    ("escalation/ask", [{"op": "replace", "path": "/spec/runUID", "value": "v"}], "runUID is immutable"),
    ("escalation/ask", [{"op": "replace", "path": "/spec/runName", "value": "v"}], "runName is immutable"),
    ("escalation/ask", [{"op": "add", "path": "/spec/agent", "value": "a"}], "agent is immutable"),
    ("escalation/ask", [{"op": "add", "path": "/spec/expiresAt", "value": "2026-01-01T00:00:00Z"}], "expiresAt is immutable"),
    ("escalation/ask", [{"op": "add", "path": "/spec/responders", "value": {"users": ["me"]}}], "responders is immutable"),
    ("escalation/ask", [{"op": "add", "path": "/spec/suggestion", "value": {"text": "yes"}}], "suggestion is immutable"),
    ("escalation/ask", [{"op": "add", "path": "/spec/proposal", "value": {"action": "stop"}}], "proposal is immutable"),
    (
        "escalation/ask",
        [{"op": "add", "path": "/spec/response", "value": {"decision": "Approve", "by": "me"}}],
        "decision must fit",
    ),
]

ALLOWED = [
    ("run/fixed", [{"op": "add", "path": "/spec/desiredState", "value": "Paused"}]),
    ("run/fixed", [{"op": "add", "path": "/spec/activeDeadlineSeconds", "value": 5}]),
    ("run/fixed", [{"op": "add", "path": "/spec/policyRef", "value": {"name": "p"}}]),
    ("run/fixed", [{"op": "add", "path": "/spec/restartedAt", "value": {"a": "2026-01-01T00:00:00Z"}}]),
    ("run/fixed", [{"op": "add", "path": "/spec/newSessionAt", "value": {"a": "2026-01-01T00:00:00Z"}}]),
    ("run/fixed", [{"op": "add", "path": "/metadata/labels", "value": {"k": "v"}}]),
]


@pytest.fixture(scope="module")
def objects(api_cluster: Cluster) -> str:
    """The objects for the changes, in a namespace of this file."""
    api_cluster.kubectl("create", "namespace", "immutable")
    apply(api_cluster, "immutable", RUN, BARE, TEMPLATED, ESCALATION)
    return "immutable"


@pytest.mark.parametrize(("target", "patch", "says"), REFUSED)
def test_refused(api_cluster: Cluster, objects: str, target: str, patch: list[Any], says: str) -> None:
    """The change is refused with words that name the field."""
    said = api_cluster.kubectl("-n", objects, "patch", target, "--type=json", "-p", json.dumps(patch), check=False)
    assert says in said


@pytest.mark.parametrize(("target", "patch"), ALLOWED)
def test_allowed(api_cluster: Cluster, objects: str, target: str, patch: list[Any]) -> None:
    """The change is accepted."""
    api_cluster.kubectl("-n", objects, "patch", target, "--type=json", "-p", json.dumps(patch), "--dry-run=server")


def test_a_response_is_given_once(api_cluster: Cluster, objects: str) -> None:
    """Once written, a response can be neither changed nor taken back."""
    twin = {**ESCALATION, "metadata": {"name": "once"}}
    apply(api_cluster, objects, twin)
    answer(api_cluster, objects, "once", "Answer", answer="yes")
    for change in ({"op": "replace", "path": "/spec/response/answer", "value": "no"}, {"op": "remove", "path": "/spec/response"}):
        said = api_cluster.kubectl(
            "-n", objects, "patch", "escalation/once", "--type=json", "-p", json.dumps([change]), check=False
        )
        assert "response is written once" in said
