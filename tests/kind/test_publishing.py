"""The publication of an agent's work on real kubelets: the verified tree, by a credential that the agent never has."""

from __future__ import annotations

from typing import Any

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.git_servers import HttpsGit
from tests.kind.installed import Installed
from tests.kind.repositories import PASSWORD, git, offer
from tests.plugin import Plugin
from tests.support import answer, apply, await_phase, await_that, get, items, policy_of, run_of, shell

POLICY = policy_of({"restartBudget": 1, "restartCooldownSeconds": 1})
WORK = "if grep -q 'wanted: right' /runwatchman/brief.md; then echo right >file; echo new >other; else echo wrong >file; fi"
"""An agent that commits nothing, and is right once it knows why its work was refused."""

CHECK: JsonObject = {"command": ["sh", "-c", 'grep -q right file || { echo "wanted: right"; exit 3; }']}
OPEN: JsonObject = {
    "command": ["sh", "-c", 'echo "PR=$RUNWATCHMAN_BRANCH at $RUNWATCHMAN_COMMIT" >/dev/termination-log; [ ! -e /workspace ]'],
}


def publishing(server: HttpsGit, name: str, script: str, branch: str, **agent: Any) -> JsonObject:
    """Return a Run whose agent's work is pushed to a branch."""
    source = {"git": {"url": f"{server.url}/project.git", "secretName": "clone", "caBundle": {"configMapName": "clone-ca"}}}
    publish = {"git": {"branch": branch, "secretName": "push", "message": "Fix it"}, **agent.pop("publish", {})}
    worker = shell(f'cd "$RUNWATCHMAN_WORKSPACE" || exit 9; {script}', workspace={"size": "100Mi", "source": source})
    return run_of(name, worker | {"publish": publish} | agent)


def offer_both(cluster: Cluster, namespace: str, server: HttpsGit) -> None:
    """Create a Secret to clone with and one to push with, which this server does not tell apart."""
    for name in ("clone", "push"):
        offer(cluster, namespace, server, PASSWORD, name)
    apply(cluster, namespace, POLICY)


def test_the_verified_tree_is_published(kind_cluster: Cluster, cloning: Installed, git_server: HttpsGit, namespace: str) -> None:
    """After a failed verification and a restart the branch has exactly the work that passed; only the pusher had the credential."""
    offer_both(kind_cluster, namespace, git_server)
    apply(kind_cluster, namespace, publishing(git_server, "fix", WORK, "agents/{run}", verify=CHECK, publish={"command": OPEN}))
    found = await_phase(kind_cluster, namespace, "fix", "Completed")
    (agent,), repository = found["agents"], git_server.repositories / "project.git"
    commit, base = git(repository, "rev-parse", "agents/fix"), git(repository, "rev-parse", "main")
    assert (found["restarts"], agent["source"]["revision"]) == (1, base)
    outputs = {"PR": f"agents/fix at {commit}"}
    assert agent["published"] == {"attempt": 1, "branch": "agents/fix", "commit": commit, "outputs": outputs}
    assert git(repository, "log", "--format=%P %an %s", "-1", commit) == f"{base} runwatchman Fix it"
    assert git(repository, "diff-tree", "-r", "--name-status", base, commit).split() == ["M", "file", "A", "other"]
    assert git(repository, "show", f"{commit}:file") == "right"
    pods = {pod["metadata"]["name"]: pod["spec"] for pod in items(kind_cluster, namespace, "pods")}
    assert sorted(pods) == [f"fix-coder-{end}" for end in ("r0", "r0-verify0", "r1", "r1-publish0", "r1-verify0")]
    with_it = {name: [box["name"] for box in boxes(spec) if "runwatchman-push" in mounts(box)] for name, spec in pods.items()}
    assert {name: names for name, names in with_it.items() if names} == {"fix-coder-r1-publish0": ["runwatchman-publish"]}
    plugin = Plugin(kind_cluster, namespace)
    assert f"published to branch agents/fix at {commit}" in " ".join(plugin.ok("describe", "fix").split())
    assert "wanted: right" in plugin.ok("logs", "fix", "--task", "verify", "--attempt", "0")


def test_a_branch_of_somebody_else(kind_cluster: Cluster, cloning: Installed, git_server: HttpsGit, namespace: str) -> None:
    """A human is asked with the reason, and a Retry publishes once the branch is gone: the agent does not run again."""
    offer_both(kind_cluster, namespace, git_server)
    repository = git_server.repositories / "project.git"
    git(repository, "branch", "taken", "main")
    apply(kind_cluster, namespace, publishing(git_server, "polite", "echo more >>file", "taken"))
    found = await_phase(kind_cluster, namespace, "polite", "Blocked")
    assert found["reason"] == "PublishRefused"
    assert "the branch taken exists at" in found["message"]
    assert git(repository, "rev-parse", "taken") == git(repository, "rev-parse", "main")
    git(repository, "branch", "-D", "taken")
    [asked] = await_that(lambda: items(kind_cluster, namespace, "escalations"), "the escalation")
    answer(kind_cluster, namespace, asked["metadata"]["name"], "Retry")
    found = await_phase(kind_cluster, namespace, "polite", "Completed")
    assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 0)
    assert found["agents"][0]["published"]["commit"] == git(repository, "rev-parse", "taken")


def test_an_agent_that_changed_nothing(kind_cluster: Cluster, cloning: Installed, git_server: HttpsGit, namespace: str) -> None:
    """Its claim of success is not enough: there is no branch, and a human is asked."""
    offer_both(kind_cluster, namespace, git_server)
    apply(kind_cluster, namespace, publishing(git_server, "idle", 'rw done "all is well"', "idle"))
    found = await_phase(kind_cluster, namespace, "idle", "Blocked")
    assert "the agent changed nothing" in found["message"]
    assert git(git_server.repositories / "project.git", "branch", "--list", "idle") == ""
    assert get(kind_cluster, namespace, "pod", "idle-coder-r0-publish0")["status"]["phase"] == "Failed"


def boxes(spec: JsonObject) -> list[JsonObject]:
    """Return all containers of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def mounts(box: JsonObject) -> set[str]:
    """Return the names of a container's volumes."""
    return {mount["name"] for mount in box["volumeMounts"]}
