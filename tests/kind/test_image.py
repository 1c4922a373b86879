"""The image that users get: small, reproducible, and for a user without rights on a read-only file system."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.buildah import WITH_PYTHON, base_archive, has_buildah
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.image import IMAGE, archive, build
from tests.reporter_image import load_reporter_image
from tests.skipping import cannot_run

OVER_BASE_MB = 150

RAN_IN = ("--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
LEFT_BEHIND = (
    "import pathlib, shutil; "
    "paths = map(pathlib.Path, ['/src', '/tools', '/dist', '/slim-image', '/root/.cache', '/run/secrets/pypi']); "
    "print([str(path) for path in paths if path.exists()], "
    "[name for name in ('gcc', 'cc', 'uv', 'hatchling') if shutil.which(name)])"
)
HIGHLIGHTED = """
import json
from rich.console import Console
try:
    json.loads("")
except ValueError:
    Console(force_terminal=True).print_exception()
"""
UNLISTED = (
    "import importlib.metadata, json, re, sys; "
    "listed = {(each['name'], each['version']) for each in json.load(open(sys.argv[1]))['components']}; "
    "name = lambda each: re.sub(r'[-_.]+', '-', each.name).lower(); "
    "installed = {(name(each), each.version) for each in importlib.metadata.distributions()}; "
    "print(len(listed) > 10, sorted(installed - listed - {('runwatchman', sys.argv[2])}))"
)


@pytest.fixture(scope="module")
def engine(kind_cluster: KindCluster) -> Iterator[dict[str, str]]:
    """A Docker engine with the image, which is removed afterwards."""
    load_reporter_image(kind_cluster)
    env = kind_cluster.env or {}
    run(["docker", "load", "-q", "-i", str(archive())], env=env)
    yield env
    run(["docker", "image", "rm", "-f", IMAGE], env=env)


def in_image(engine: dict[str, str], *command: str, entrypoint: str | None = None, user: str | None = None) -> str:
    """Run a command in a container with minimal rights."""
    other = ["--entrypoint", entrypoint] if entrypoint else []
    other += ["--user", user] if user else []
    return run(["docker", "run", *RAN_IN, *other, IMAGE, *command], env=engine)


def test_the_same_twice() -> None:
    """A build from scratch has the ID of an earlier one with cached layers: its digest depends on neither time nor chance."""
    if not has_buildah():
        cannot_run("needs buildah: docker keeps the time of the build without BuildKit's rewrite-timestamp")
    assert build() == build("--no-cache")


def test_small() -> None:
    """It adds less than 150 MB to its base."""
    over_base = (archive().stat().st_size - base_archive(WITH_PYTHON).stat().st_size) / 1e6
    assert 0 < over_base < OVER_BASE_MB


def test_runs_without_rights(engine: dict[str, str]) -> None:
    """`runwatchman --help` works as the image's user, without a capability, on a read-only root; so does every command's help."""
    assert "Supervise runs of AI coding agents" in in_image(engine, "--help")
    for command in ("operator", "plan", "policy", "store", "crds"):
        assert "Usage: runwatchman" in in_image(engine, command, "--help")
    assert in_image(engine, "-c", "import os; print(os.getuid(), os.getgid())", entrypoint="python3").split() == ["65532", "65532"]


def test_a_traceback_is_highlighted(engine: dict[str, str]) -> None:
    """Rich finds the lexer of Python, the only one that the image has."""
    assert "JSONDecodeError" in in_image(engine, "-c", HIGHLIGHTED, entrypoint="python3")


def test_nothing_of_the_build_is_left(engine: dict[str, str]) -> None:
    """The image has no compiler, build tool, cache, source folder or secret."""
    assert in_image(engine, "-c", LEFT_BEHIND, entrypoint="python3", user="0").strip() == "[] []"


def test_it_says_what_it_is(engine: dict[str, str]) -> None:
    """It has the labels that registries and SBOM tools read, a numeric user, and the program as its entrypoint."""
    config = json.loads(run(["docker", "image", "inspect", IMAGE], env=engine))[0]["Config"]
    assert config["Labels"]["org.opencontainers.image.title"] == "runwatchman"
    assert {"version", "revision", "licenses", "description"} <= {key.rpartition(".")[2] for key in config["Labels"]}
    assert (config["User"], config["Entrypoint"]) == ("65532:65532", ["runwatchman"])


def test_its_bill_of_materials_names_every_package(engine: dict[str, str]) -> None:
    """The CycloneDX document that the label points to has each installed distribution with its version."""
    labels = json.loads(run(["docker", "image", "inspect", IMAGE], env=engine))[0]["Config"]["Labels"]
    where, version = labels["dev.runwatchman.sbom"], labels["org.opencontainers.image.version"]
    python = "/opt/runwatchman/bin/python"
    assert in_image(engine, "-c", UNLISTED, where, version, entrypoint=python).strip() == "True []"
