"""A git server that pods reach, the operator with the image that has git, and what Runs need of both."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.git_servers import HttpsGit, https_git
from tests.kind.installed import OFTEN, PATIENT, Installed
from tests.recipe_image import GIT, load_image
from tests.skipping import cannot_run
from tests.support import apply

USER, PASSWORD = "robot", "s3cret-of-the-kind-test"


@pytest.fixture(scope="module")
def git_server(kind_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsGit]:
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
def cloning(release: Installed, git_server: HttpsGit, kind_cluster: Cluster) -> Installed:
    """The operator with the image that has git, whose agents may reach the server."""
    repository, _, tag = load_image(kind_cluster, GIT).rpartition(":")
    address = git_server.url.removeprefix("https://").partition(":")[0]
    allowed = {"agents": {"network": {"managed": True, "allow": [f"{address}/32"]}}}
    release.run_with(PATIENT, OFTEN, {"git": {"image": {"repository": repository, "tag": tag}}}, allowed)
    return release


def offer(cluster: Cluster, namespace: str, server: HttpsGit, password: str, name: str = "clone") -> None:
    """Create or replace the Secret and the ConfigMap `clone-ca` that a Run names."""
    secret = {"type": "kubernetes.io/basic-auth", "stringData": {"username": USER, "password": password}}
    authority = {"data": {"ca.crt": server.ca.read_text()}}
    apply(
        cluster,
        namespace,
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **secret},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clone-ca"}, **authority},
    )


def git(folder: Path, *arguments: str) -> str:
    """Run git without this account's configuration and return its output."""
    author = {f"GIT_{role}_{field}": "t@t" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **author}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout.strip()
