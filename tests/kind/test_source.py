"""Repositories in workspaces, on real kubelets, from a git server of this machine behind basic auth and a CA of its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.git_servers import HttpsGit, SshGit, https_git, ssh_git
from tests.kind.installed import Installed
from tests.plugin import Plugin
from tests.recipe_image import GIT
from tests.skipping import cannot_run
from tests.support import answer, apply, await_phase, await_that, get, items, policy_of, run_of, shell, status
from tests.users import grant, token
from tests.web_page import Tab, cluster_page, local_page

USER, PASSWORD = "robot", "s3cret-of-the-kind-test"
POLICY = policy_of({"restartBudget": 1, "restartCooldownSeconds": 1})
WORK = '[ "$RUNWATCHMAN_ATTEMPT" -gt 0 ] || { echo mine >>file; exit 1; }; rw done "$(tr "\\n" " " <file)"'
"""An agent that crashes once with an uncommitted change, and reports what it finds then."""


@pytest.fixture(scope="module")
def server(kind_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsGit]:
    """A git server that pods reach, with one repository."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a git server that pods reach: on nodes of our own they reach this machine's")
    folder, work = tmp_path_factory.mktemp("repositories"), tmp_path_factory.mktemp("work")
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "project.git")
    git(work, "clone", "--quiet", str(folder / "project.git"), ".")
    (work / "file").write_text("theirs\n")
    git(work, "add", "file")
    git(work, "commit", "--quiet", "--message", "first")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    made = HttpsGit(folder, USER, PASSWORD)
    with https_git(made, tmp_path_factory.mktemp("tls"), kind_cluster.gateway()[0]):
        yield made


@pytest.fixture(scope="module")
def ssh(server: HttpsGit, kind_cluster: KindCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshGit]:
    """An sshd that pods reach, with the same repository."""
    with ssh_git(server.repositories, tmp_path_factory.mktemp("ssh"), kind_cluster.gateway()[0]) as made:
        yield made


def test_a_repository_in_the_workspace(kind_cluster: Cluster, cloning: Installed, server: HttpsGit, namespace: str) -> None:
    """The agent has the clone, and its uncommitted change after a crash. The second pod has no Secret and asks no server."""
    offer(kind_cluster, namespace, server, PASSWORD)
    apply(kind_cluster, namespace, POLICY, run_from(server, "cloned", WORK))
    found = await_phase(kind_cluster, namespace, "cloned", "Completed")
    (agent,) = found["agents"]
    head = git(server.repositories / "project.git", "rev-parse", "main")
    assert (agent["result"]["summary"].split(), found["restarts"]) == (["theirs", "mine"], 1)
    assert agent["source"] == {"revision": head}
    assert len([each for each in server.requests if each.startswith("GET")]) == 2, "one without the credential, one with it"
    volumes = [get(kind_cluster, namespace, "pod", f"cloned-coder-r{attempt}")["spec"]["volumes"] for attempt in (0, 1)]
    assert [[each["secret"]["secretName"] for each in some if "secret" in each] for some in volumes] == [["clone"], []]
    plugin = Plugin(kind_cluster, namespace)
    assert f"cloned at {head}" in " ".join(plugin.ok("describe", "cloned").split())
    assert f"cloned at {head}" in " ".join(plugin.ok("explain", "cloned").split())


def test_changes_on_the_page(kind_cluster: Cluster, cloning: Installed, server: HttpsGit, namespace: str) -> None:
    """While the agent runs both servers of the page show its work: by kubectl, and by a websocket with the user's token."""
    offer(kind_cluster, namespace, server, PASSWORD)
    made = run_from(server, "changed", "echo mine >>file; echo other >new; until [ -e end ]; do sleep 0.2; done")
    made["spec"]["agents"][0]["image"] = GIT.image
    apply(kind_cluster, namespace, POLICY, made)
    await_that(lambda: "source" in status(kind_cluster, namespace, "changed").get("agents", [{}])[0], "the commit on record")
    await_phase(kind_cluster, namespace, "changed", "Running")
    for name, role in (("editor", "edit"), ("viewer", "view")):
        kind_cluster.kubectl("-n", namespace, "create", "serviceaccount", name)
        grant(kind_cluster, namespace, role, f"--serviceaccount={namespace}:{name}")
    with local_page(kind_cluster, "-n", namespace) as own, cluster_page(kind_cluster) as served:
        editor, viewer = (served.tab(token(kind_cluster, namespace, name)) for name in ("editor", "viewer"))
        await_that(lambda: "+other" in changes(own, namespace), "the agent's work")
        for tab in (own, editor):
            assert re.findall('class="added">(.*)</span>', text := changes(tab, namespace)) == ["+mine", "+other"], text
        refused = f"system:serviceaccount:{namespace}:viewer may not create pods/exec in namespace {namespace}"
        assert refused in changes(viewer, namespace)
        kind_cluster.kubectl("exec", "-n", namespace, "changed-coder-r0", "-c", "agent", "--", "touch", "/workspace/end")
        await_phase(kind_cluster, namespace, "changed", "Completed")
        assert "agent coder does not run; use kubectl rw diff changed coder" in changes(editor, namespace)


def changes(tab: Tab, namespace: str) -> str:
    """Press the button for the changes, and return the page."""
    path = f"/runs/{namespace}/changed/diff/coder"
    asked = tab.get(path)
    (uid,) = re.findall('name="uid" value="([^"]*)"', asked.text)
    return tab.post(path, {"csrf": asked.csrf, "uid": uid}).text


def test_over_ssh(kind_cluster: Cluster, cloning: Installed, ssh: SshGit, namespace: str) -> None:
    """In the image ssh has a name for the agent's user, which has none there, and the key has modes that it accepts."""
    secret = {"type": "kubernetes.io/ssh-auth", "stringData": {"ssh-privatekey": ssh.key, "known_hosts": ssh.known_hosts}}
    apply(kind_cluster, namespace, POLICY, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clone"}, **secret})
    source = {
        "git": {"url": f"{ssh.url}/project.git", "secretName": "clone", "revision": "main", "depth": 1, "directory": "src/it"}
    }
    script = 'rw done "$(cat "$RUNWATCHMAN_WORKSPACE/src/it/file")"'
    apply(kind_cluster, namespace, run_of("ssh", shell(script, workspace={"size": "100Mi", "source": source})))
    found = await_phase(kind_cluster, namespace, "ssh", "Completed")
    assert found["agents"][0]["result"]["summary"] == "theirs"


def test_a_wrong_secret_is_named_in_gits_words(kind_cluster: Cluster, cloning: Installed, server: HttpsGit, namespace: str) -> None:
    """A human is asked at once, nothing is charged, and after a correction of the Secret a Retry completes the Run."""
    offer(kind_cluster, namespace, server, "wrong-password")
    apply(kind_cluster, namespace, POLICY, run_from(server, "refused", 'rw done "$(cat file)"'))
    found = await_phase(kind_cluster, namespace, "refused", "Blocked")
    words = f"SourceRefused: init container runwatchman-source: exit code 77: fatal: Authentication failed for '{server.url}"
    assert words in found["message"], found["message"]
    assert (found["reason"], found["restarts"]) == ("OutcomeEscalated", 0)
    [asked] = await_that(lambda: items(kind_cluster, namespace, "escalations"), "the escalation")
    offer(kind_cluster, namespace, server, PASSWORD)
    answer(kind_cluster, namespace, asked["metadata"]["name"], "Retry")
    found = await_phase(kind_cluster, namespace, "refused", "Completed")
    assert found["agents"][0]["result"]["summary"] == "theirs"
    assert PASSWORD not in str(status(kind_cluster, namespace, "refused"))


def run_from(server: HttpsGit, name: str, script: str) -> JsonObject:
    """Return a Run whose agent runs a script in a clone."""
    git_source = {"url": f"{server.url}/project.git", "secretName": "clone", "caBundle": {"configMapName": "clone-ca"}}
    workspace = {"size": "100Mi", "source": {"git": git_source}}
    return run_of(name, shell(f'cd "$RUNWATCHMAN_WORKSPACE" || exit 9; {script}', workspace=workspace))


def offer(cluster: Cluster, namespace: str, server: HttpsGit, password: str) -> None:
    """Create or replace the Secret and the ConfigMap that the Run names."""
    secret = {"type": "kubernetes.io/basic-auth", "stringData": {"username": USER, "password": password}}
    authority = {"data": {"ca.crt": server.ca.read_text()}}
    apply(
        cluster,
        namespace,
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clone"}, **secret},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clone-ca"}, **authority},
    )


def git(folder: Path, *arguments: str) -> str:
    """Run git without this account's configuration and return its output."""
    author = {f"GIT_{role}_{field}": "t@t" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **author}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout.strip()
