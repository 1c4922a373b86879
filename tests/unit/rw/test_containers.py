"""The container that `kubectl rw logs` prints: the agent's by the Run's spec, or the init container that kept it from running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.cli.rw.containers import ending, with_the_log
from controller.cli.rw.objects import JsonObject
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.stories import story

RUN = story("unrun").run
FIRST, REJECTED, CRASHED = story("unrun").around.pods
RUNS: JsonObject = {"running": {"startedAt": "2026-01-01T11:30:03Z"}}


def states(pod: JsonObject, phase: str, **changes: Any) -> JsonObject:
    """Return the pod in a phase, with other states of its init containers."""
    found = [{"name": name, "state": state} for name, state in changes.items()]
    return pod | {"status": pod["status"] | {"phase": phase, "initContainerStatuses": found}}


@pytest.mark.parametrize(
    ("pod", "container", "how"),
    [
        (FIRST, "clone", "init container clone: exit code 128, Error"),
        (states(FIRST, "Pending", clone=RUNS), "clone", ""),
        (REJECTED, "coder", "OutOfcpu"),
        (CRASHED, "coder", "exit code 1, Error"),
        (CRASHED | {"status": {}}, "coder", ""),
    ],
    ids=["an init container failed", "an init container runs", "rejected", "beside a proxy", "no status yet"],
)
def test_the_container_and_its_end(pod: JsonObject, container: str, how: str) -> None:
    """The first container that matters is shown, and native sidecars and injected proxies are not taken for it."""
    assert (with_the_log(RUN, pod), ending(RUN, pod)) == (container, how)


def test_logs_of_an_agent_that_never_ran(tmp_path: Path) -> None:
    """The log of the failed init container is printed, with a hint; -c names any other container."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(
        ("*get run*", RUN, "", 0), ("*get pods*", {"items": [FIRST]}, "", 0), ("*logs*", "fatal: repository not found", "", 0)
    )
    found = kubectl.run("logs", "meshed", "--attempt", "0")
    assert found.exit_code == 0, found.output
    assert "agent coder has not run: this is the log of init container clone" in found.stderr
    assert kubectl.calls()[-1].endswith("logs meshed-coder-r0 -c clone")
    kubectl.run("logs", "meshed", "--attempt", "0", "-c", "proxy")
    assert kubectl.calls()[-1].endswith("logs meshed-coder-r0 -c proxy")
