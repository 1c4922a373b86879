"""The workflows use only what this repository has; they are checked here, because only GitHub's machines run them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.nodeimage import OFFICIAL, OWN
from tests.cluster.releases import RELEASES
from tests.release.__main__ import main as release_steps

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
CI, RELEASE = ROOT / ".github/workflows/ci.yaml", ROOT / ".github/workflows/release.yaml"
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
DESELECTED = re.compile(r"--deselect (\S+)::(\w+)")


def text_of(path: Path) -> str:
    """Return a workflow as text."""
    return path.read_text()


def loaded(path: Path) -> dict[str, Any]:
    """Return a workflow; YAML 1.1 takes `on` for a boolean, which does not matter here."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_nothing_may_be_written(path: Path) -> None:
    """Every action is pinned to a commit with its version in a comment, and the token may only read the repository."""
    uses = [line.strip() for line in text_of(path).splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []
    assert loaded(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_make_target_is_there(path: Path) -> None:
    """Every `make` in a workflow is a target, so that a rename is noticed before GitHub does."""
    made = {word for words in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", text_of(path)) for word in words.split()}
    assert made
    assert made <= targets()


def test_the_steps_of_a_release_exist() -> None:
    """The release's workflow and its page name commands of tests/release, with options that these have, and each is used."""
    for path in (RELEASE, ROOT / "docs/releasing.md"):
        lines = re.findall(r"tests\.release (\w+)(.*)", path.read_text())
        assert {name for name, _ in lines} <= set(release_steps.commands)
        for name, rest in lines:
            known = {option for each in release_steps.commands[name].params for option in each.opts}
            assert set(re.findall(r"--[\w-]+", rest)) <= known, name
    assert {name for name, _ in re.findall(r"tests\.release (\w+)(.*)", RELEASE.read_text())} == set(release_steps.commands)


def test_the_suites_are_all_run() -> None:
    """CI runs every folder of tests, the checks and the site."""
    text = text_of(CI)
    assert all(f"make {name}" in text for name in ("check docs", "test-unit", "test-chart", "test-api", "test-kind"))
    suites = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    by_name = set(re.findall(r"tests/(\w+)", " ".join(re.findall(r"run pytest ([^,]*)", text))))
    assert suites - {"unit", "chart", "api", "kind"} == by_name


def test_the_node_image_is_of_the_version_that_is_tested() -> None:
    """An official node image has the same minor version of Kubernetes as the release it is listed for; CI uses either by name."""
    for each in (each for each in RELEASES if each.node_image):
        found = re.fullmatch(r"kindest/node:v(\d+\.\d+)\.\d+@sha256:[0-9a-f]{64}", each.node_image)
        assert found
        assert found[1] == each.minor
    variants = loaded(CI)["jobs"]["kind"]["strategy"]["matrix"]["include"]
    assert {(each["node"], each["nodes"]) for each in variants} == {(OFFICIAL, 2), (OFFICIAL, 1), (OWN, 2)}


def test_both_axes_are_run() -> None:
    """The API suite runs on every Kubernetes, a kind suite on the oldest and the newest, the unit tests on every Python."""
    jobs = {name: job["strategy"]["matrix"]["include"] for name, job in loaded(CI)["jobs"].items()}
    api = [each for each in jobs["test"] if each["suite"] == "api"]
    assert [each["kubernetes"] for each in api] == [each.minor for each in RELEASES]
    assert {RELEASES[0].minor, RELEASES[-1].minor} <= {each["kubernetes"] for each in jobs["kind"]}
    pythons = ["3.11", "3.12", "3.13", "3.14"]
    assert [each["python"] for each in jobs["test"] if each["suite"] == "unit"] == pythons
    assert {each["python"] for each in api} == set(pythons)
    assert f'requires-python = ">={pythons[0]}"' in (ROOT / "pyproject.toml").read_text()


def test_what_is_deselected_exists() -> None:
    """A test that the official node image cannot run exists under the deselected name, so that a stale name is noticed."""
    found = DESELECTED.findall(text_of(CI))
    assert found
    assert all(f"def {test}(" in (ROOT / module).read_text() for module, test in found)
