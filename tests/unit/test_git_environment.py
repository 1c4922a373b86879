"""git works in the root of a workspace, which another user owns, and the agent's own configuration stays in force."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controller.api.checks import parse_run_spec
from controller.plan.snapshot import RunFacts
from controller.resources.git_environment import with_safe_directory
from controller.resources.pod_builder import build_pod

COUNT = {"name": "GIT_CONFIG_COUNT", "value": "1"}
NAME = ({"name": "GIT_CONFIG_KEY_0", "value": "user.name"}, {"name": "GIT_CONFIG_VALUE_0", "value": "Coder"})


def values(env: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an environment as a container gets it: the last entry of a name counts."""
    return {entry["name"]: entry.get("value") for entry in env}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A repository in a directory that git takes for another user's; as root, one that really is."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    git(workspace, {}, "init", "--quiet")
    if os.getuid() == 0:
        os.chown(workspace, 12345, 12345)
    return workspace


def git(where: Path, env: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in a directory without the machine's configuration."""
    only = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", *arguments], cwd=where, env=only | env, capture_output=True, text=True, check=False)


def env_of(agent: dict[str, Any]) -> dict[str, Any]:
    """Return the environment of an agent's container in its pod."""
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", "image": "a"} | agent]}})
    pod = build_pod(RunFacts("ns", "demo", "uid-1", 1, spec), spec.agents[0], 0)
    return values(pod["spec"]["containers"][0]["env"])


@pytest.mark.parametrize("own", [[], [COUNT, *NAME]])
def test_git_works_in_a_workspace_of_another_owner(foreign: Path, own: list[dict[str, Any]]) -> None:
    """Real git refuses the workspace without the environment and accepts it with it; the agent's own settings count."""
    other = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    assert "dubious ownership" in git(foreign, other, "status").stderr
    env = other | values(with_safe_directory(own, str(foreign)))
    assert git(foreign, env, "status").returncode == 0
    assert git(foreign, env, "config", "user.name").stdout == ("Coder\n" if own else "")


@pytest.mark.parametrize(
    ("agent", "root"),
    [({}, "/workspace"), ({"workspace": {"size": "1Gi"}}, "/workspace"), ({"workspace": {"mountPath": "/code/"}}, "/code")],
)
def test_a_pod_trusts_its_workspace(agent: dict[str, Any], root: str) -> None:
    """A workspace is trusted wherever it is mounted, with a claim and without one, and so are the directories in it."""
    env = env_of(agent)
    assert env["GIT_CONFIG_COUNT"] == "2"
    assert (env["GIT_CONFIG_KEY_0"], env["GIT_CONFIG_VALUE_0"]) == ("safe.directory", root)
    assert (env["GIT_CONFIG_KEY_1"], env["GIT_CONFIG_VALUE_1"]) == ("safe.directory", f"{root}/*")


def test_own_settings_are_continued() -> None:
    """Settings that an agent has itself keep their numbers; ours follow them."""
    env = env_of({"env": [COUNT, *NAME]})
    assert (env["GIT_CONFIG_COUNT"], env["GIT_CONFIG_KEY_0"], env["GIT_CONFIG_KEY_1"]) == ("3", "user.name", "safe.directory")


@pytest.mark.parametrize(
    "own",
    [
        [{"name": "GIT_CONFIG_COUNT", "valueFrom": {"configMapKeyRef": {"name": "git", "key": "count"}}}],
        [{"name": "GIT_CONFIG_COUNT", "value": "$(SETTINGS)"}],
        [{"name": "GIT_CONFIG_KEY_1", "value": "user.name"}],
    ],
)
def test_settings_that_cannot_be_counted_are_left_alone(own: list[dict[str, Any]]) -> None:
    """If the number of own settings is unknown here, an added one could replace one of them, so none is added."""
    assert with_safe_directory(own, "/workspace") == own
