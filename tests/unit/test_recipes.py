"""The recipes under images/ pin what their lock files say: the CLIs that tests/clis prove, for both architectures."""

from __future__ import annotations

import fnmatch
import json
import re

import pytest

from controller.api.base import JsonObject
from controller.api.pod_policy import AGENT_USER
from tests.recipe_image import ADVISOR, AGENTS, PUBLISHED, Recipe
from tests.release.project import ROOT, SOURCE, version

PROVED: dict[str, str] = json.loads((ROOT / "tests/clis/package.json").read_text())["dependencies"]
ARCHITECTURES = ("arm64", "x64")
COPIED = re.compile(r"^COPY (node_modules/\S+) ", re.MULTILINE)
WITH_CLI = (ADVISOR, *AGENTS)

agents = pytest.mark.parametrize("recipe", AGENTS, ids=lambda each: each.name)
with_cli = pytest.mark.parametrize("recipe", WITH_CLI, ids=lambda each: each.name)


def read(recipe: Recipe, name: str) -> JsonObject:
    """Return a file of the folder whose packages npm installs."""
    found: JsonObject = json.loads((recipe.packages_folder / name).read_text())
    return found


@with_cli
def test_the_cli_is_the_one_that_is_tested(recipe: Recipe) -> None:
    """tests/clis run the same version, and the lock file has it with the hashes of its packages."""
    wanted = read(recipe, "package.json")["dependencies"]
    locked = read(recipe, "package-lock.json")["packages"]
    assert locked[""]["dependencies"] == wanted
    for name, chosen in wanted.items():
        assert (chosen, locked[f"node_modules/{name}"]["version"]) == (PROVED[name], PROVED[name])
    assert all(each["integrity"].startswith("sha512-") for path, each in locked.items() if path)


@with_cli
def test_the_program_is_copied_for_each_architecture(recipe: Recipe) -> None:
    """Each pattern matches exactly one package of the lock file for each architecture, and none for another C library."""
    locked = [path for path in read(recipe, "package-lock.json")["packages"] if path]
    patterns = COPIED.findall(recipe.containerfile.read_text())
    assert patterns
    for pattern in patterns:
        package = "/".join(pattern.split("/")[:3])
        assert [path.rpartition("-")[2] for path in locked if fnmatch.fnmatch(path, package)] == list(ARCHITECTURES)


@agents
def test_an_agents_image_says_what_it_is(recipe: Recipe) -> None:
    """It has the labels that registries read, the version of the tree, and the operator's default user in group 0."""
    text = recipe.containerfile.read_text()
    labels = dict(re.findall(r'(org\.opencontainers\.image\.\w+)="([^"]*)"', text))
    assert labels["org.opencontainers.image.title"] == recipe.name
    assert labels["org.opencontainers.image.source"] == SOURCE
    assert {"version", "revision", "licenses", "description", "documentation"} <= {key.rpartition(".")[2] for key in labels}
    assert f"ARG VERSION={version()}\n" in text
    assert f"USER {AGENT_USER}:0\n" in text


def test_both_agents_have_the_same_tools() -> None:
    """They are installed by the same step, whose layer the images share."""
    steps = {re.findall(r"^FROM .*?^COPY", recipe.containerfile.read_text(), re.DOTALL | re.MULTILINE)[0] for recipe in AGENTS}
    assert len(steps) == 1


@agents
def test_the_page_builds_it(recipe: Recipe) -> None:
    """docs/clis.md has the commands of the recipe's own comment, and the version of its CLI."""
    commands = re.findall(r"^#   (.*)$", recipe.containerfile.read_text(), re.MULTILINE)
    page = (ROOT / "docs/clis.md").read_text()
    assert commands
    assert all(f"{command}\n" in page for command in commands)
    assert re.search(rf"^\| \[{recipe.name}\]\(\S+\) \| \w+ {re.escape(recipe.version())} \|", page, re.MULTILINE)


def test_only_what_may_be_redistributed_is_published() -> None:
    """A release publishes no program whose licence reserves all rights."""
    for recipe in (each for each in PUBLISHED if each.packages):
        licences = {each["license"] for path, each in read(recipe, "package-lock.json")["packages"].items() if path}
        assert licences == {"Apache-2.0"}
