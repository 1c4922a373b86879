"""The image that users get: small, the same twice, for a user without rights on a file system that nobody writes to."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.image import IMAGE, archive, base_archive, build, has_buildah
from tests.reporter_image import load_reporter_image
from tests.skipping import cannot_run

OVER_BASE_MB = 150
BUILDS_SECONDS = 1200
"""Two builds without a cache, on a machine that is busy."""

RAN_IN = ("--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
LEFT_BEHIND = (
    "import pathlib, shutil; "
    "paths = map(pathlib.Path, ['/src', '/tools', '/dist', '/slim-image', '/root/.cache', '/run/secrets/pypi']); "
    "print([str(path) for path in paths if path.exists()], "
    "[name for name in ('gcc', 'cc', 'uv', 'hatchling') if shutil.which(name)])"
)
UNLISTED = (
    "import importlib.metadata, json, re, sys; "
    "listed = {(each['name'], each['version']) for each in json.load(open(sys.argv[1]))['components']}; "
    "name = lambda each: re.sub(r'[-_.]+', '-', each.name).lower(); "
    "installed = {(name(each), each.version) for each in importlib.metadata.distributions()}; "
    "print(len(listed) > 10, sorted(installed - listed - {('runwarden', sys.argv[2])}))"
)


@pytest.fixture(scope="module")
def engine(kind_cluster: KindCluster) -> Iterator[dict[str, str]]:
    """A Docker engine that has the image, without keeping it."""
    load_reporter_image(kind_cluster)
    env = kind_cluster.env or {}
    run(["docker", "load", "-q", "-i", str(archive())], env=env)
    yield env
    run(["docker", "image", "rm", "-f", IMAGE], env=env)


def in_image(engine: dict[str, str], *command: str, entrypoint: str | None = None, user: str | None = None) -> str:
    """Run a command in a container with as few rights as there are."""
    other = ["--entrypoint", entrypoint] if entrypoint else []
    other += ["--user", user] if user else []
    return run(["docker", "run", *RAN_IN, *other, IMAGE, *command], env=engine)


@pytest.mark.timeout(BUILDS_SECONDS)
def test_the_same_twice() -> None:
    """A build from nothing has the ID of a former one, whose layers are kept: no time and no chance is in what it digests."""
    if not has_buildah():
        cannot_run("needs buildah: docker keeps the time of the build without BuildKit's rewrite-timestamp")
    assert build() == build("--no-cache")


def test_small() -> None:
    """It adds less than 150 MB to its base."""
    over_base = (archive().stat().st_size - base_archive().stat().st_size) / 1e6
    assert 0 < over_base < OVER_BASE_MB


def test_runs_without_rights(engine: dict[str, str]) -> None:
    """`runwarden --help` works as the image's user, without a capability, on a read-only root; so does every command's help."""
    assert "Supervise runs of AI coding agents" in in_image(engine, "--help")
    for command in ("operator", "plan", "policy", "store", "crds"):
        assert "Usage: runwarden" in in_image(engine, command, "--help")
    assert in_image(engine, "-c", "import os; print(os.getuid(), os.getgid())", entrypoint="python3").split() == ["65532", "65532"]


def test_nothing_of_the_build_is_left(engine: dict[str, str]) -> None:
    """No compiler, no build tool, no cache, no source folder and no secret is in it."""
    assert in_image(engine, "-c", LEFT_BEHIND, entrypoint="python3", user="0").strip() == "[] []"


def test_it_says_what_it_is(engine: dict[str, str]) -> None:
    """Its labels are those that registries and SBOM tools read, its user is a number and its entrypoint the program."""
    config = json.loads(run(["docker", "image", "inspect", IMAGE], env=engine))[0]["Config"]
    assert config["Labels"]["org.opencontainers.image.title"] == "runwarden"
    assert {"version", "revision", "licenses", "description"} <= {key.rpartition(".")[2] for key in config["Labels"]}
    assert (config["User"], config["Entrypoint"]) == ("65532:65532", ["runwarden"])


def test_its_bill_of_materials_names_every_package(engine: dict[str, str]) -> None:
    """The CycloneDX document that the label points to has each distribution that is installed, in its version."""
    labels = json.loads(run(["docker", "image", "inspect", IMAGE], env=engine))[0]["Config"]["Labels"]
    where, version = labels["dev.runwarden.sbom"], labels["org.opencontainers.image.version"]
    python = "/opt/runwarden/bin/python"
    assert in_image(engine, "-c", UNLISTED, where, version, entrypoint=python).strip() == "True []"
