"""The answers of a kubectl with one Run and one question."""

from __future__ import annotations

from pathlib import Path

from controller.cli.rw.objects import JsonObject
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.stories import escalation

ME: JsonObject = {"status": {"userInfo": {"username": "alice", "groups": ["dev"]}}}
RUN: JsonObject = {
    "metadata": {"name": "hello", "namespace": "d", "uid": "u", "creationTimestamp": "2026-01-01T11:00:00Z"},
    "spec": {"agents": [{"name": "coder", "image": "x"}]},
    "status": {"phase": "Running"},
}


def question(**status: object) -> JsonObject:
    """Return the question, with a status."""
    found = escalation("q", "Question")
    found["metadata"] |= {"resourceVersion": "7", "uid": "e"}
    return {**found, "status": status}


def kubectl_with_one_run(folder: Path) -> FakeKubectl:
    """Return a kubectl that answers every command of the plugin about them."""
    found = FakeKubectl(folder / "kubectl")
    found.answers(
        ("auth*", ME, "", 0),
        ("patch*", RUN, "", 0),
        ("get runs*hello*", RUN, "", 0),
        ("get runs*", {"items": [RUN]}, "", 0),
        ("get escalations*q*", question(), "", 0),
        ("get escalations*", {"items": [question()]}, "", 0),
        ("get*", {"items": []}, "", 0),
    )
    return found
