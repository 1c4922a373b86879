"""The version and the addresses of the project are the same wherever they are written, and what is published says what it is."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.recipe_image import AGENTS, GIT
from tests.release.project import CHART, NAME, PAGES, REGISTRY, ROOT, SOURCE, is_prerelease, semver, version

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
METADATA: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
LABELS = dict(re.findall(r'(org\.opencontainers\.image\.\w+)="([^"]*)"', (ROOT / "Containerfile").read_text()))
DOCS = (ROOT / "README.md", ROOT / "docs/install.md", CHART / "README.md")


@pytest.mark.parametrize(
    ("python", "helm"),
    [("0.1.0", "0.1.0"), ("1.2.3rc1", "1.2.3-rc.1"), ("0.1.0.dev12", "0.1.0-dev.12"), ("0.2.0b3", "0.2.0-b.3")],
)
def test_a_version_as_helm_writes_it(python: str, helm: str) -> None:
    """Helm takes semantic versions only."""
    assert semver(python) == helm
    assert is_prerelease(python) == (python != helm)


def test_the_version_is_the_same_everywhere() -> None:
    """scripts/set-version has changed every file with it."""
    assert (METADATA["appVersion"], METADATA["version"]) == (version(), semver(version()))
    for recipe in (ROOT / "Containerfile", *(each.containerfile for each in (*AGENTS, GIT))):
        assert f"ARG VERSION={version()}\n" in recipe.read_text(), recipe


def test_the_project_says_where_it_lives() -> None:
    """PyPI, Artifact Hub and the registry of the image link to the same repository and documentation."""
    urls = PROJECT["project"]["urls"]
    assert (urls["Source"], urls["Documentation"]) == (SOURCE, PAGES)
    assert (METADATA["home"], METADATA["sources"]) == (SOURCE, [SOURCE])
    assert LABELS["org.opencontainers.image.source"] == SOURCE
    assert LABELS["org.opencontainers.image.documentation"] == PAGES


def test_the_chart_takes_the_published_images() -> None:
    """The default images are where a release publishes them; the documents install the chart from where it is published."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["image"]["repository"] == f"{REGISTRY}/{NAME}"
    assert values["git"]["image"]["repository"] == f"{REGISTRY}/{GIT.name}"
    for path in DOCS:
        assert f"oci://{REGISTRY}/charts/{NAME}" in path.read_text(), path


def test_artifact_hub_finds_what_it_shows() -> None:
    """The annotations are lists as Artifact Hub reads them, the CRDs are ours, and the icon exists."""
    annotations = METADATA["annotations"]
    named = {each["name"] for each in yaml.safe_load(annotations["artifacthub.io/crds"])}
    assert named == {yaml.safe_load(path.read_text())["metadata"]["name"] for path in (ROOT / "crds").glob("*.yaml")}
    assert {each["kind"] for each in yaml.safe_load(annotations["artifacthub.io/crdsExamples"])} == {"Run"}
    assert (ROOT / "docs" / METADATA["icon"].rpartition("/docs/")[2]).exists()


def test_the_security_policy_names_the_versions() -> None:
    """SECURITY.md says which versions get fixes, and where to report."""
    text = (ROOT / "SECURITY.md").read_text()
    assert "## Supported versions" in text
    assert f"{SOURCE}/security/advisories/new" in text
