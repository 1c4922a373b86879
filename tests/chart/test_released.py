"""A packaged chart as a release has it: its default image is pinned by digest, and every setting of the image replaces that."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import helm, objects, one
from tests.recipe_image import GIT
from tests.release.chart import package
from tests.release.image import Registry
from tests.release.project import NAME, version

REGISTRY = Registry("registry.example/team")
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
IMAGE, GIT_IMAGE = (f"{REGISTRY.repository(name)}:{version()}@{DIGEST}" for name in (NAME, GIT.name))


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged chart of a release in another registry."""
    return package(tmp_path_factory.mktemp("packaged"), REGISTRY, {NAME: IMAGE, GIT.name: GIT_IMAGE}, ["linux/amd64"])


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), IMAGE),
        (("image.tag=other",), f"{REGISTRY.image}:other"),
        ((f"image.digest={DIGEST[:-1]}0",), f"{REGISTRY.image}@{DIGEST[:-1]}0"),
        (("image.repository=mirror.example/runwatchman",), f"mirror.example/runwatchman:{version()}"),
        (("image.repository=registry.example/team",), f"registry.example/team:{version()}"),
    ],
    ids=["default", "tag", "digest", "mirror", "prefix"],
)
def test_its_image(chart: Path, tmp_path: Path, values: tuple[str, ...], image: str) -> None:
    """Without a setting the image is the release's, by digest; with one it is exactly the chosen one."""
    found = objects(helm("template", NAME, str(chart), *(f"--set={each}" for each in values), home=tmp_path))
    operator = one(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert operator["image"] == image


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), GIT_IMAGE),
        (("git.image.tag=other",), f"{REGISTRY.repository(GIT.name)}:other"),
        (("git.image.repository=mirror.example/git", f"git.image.digest={DIGEST}"), f"mirror.example/git@{DIGEST}"),
    ],
    ids=["default", "tag", "mirror"],
)
def test_the_image_that_clones(chart: Path, tmp_path: Path, values: tuple[str, ...], image: str) -> None:
    """It has values and a pin of its own."""
    found = objects(helm("template", NAME, str(chart), *(f"--set={each}" for each in values), home=tmp_path))
    operator = one(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert f"--git-image={image}" in operator["args"]


def test_what_artifact_hub_reads(chart: Path) -> None:
    """The archive has a README, and annotations with the image, the changes and whether it is a prerelease."""
    with tarfile.open(chart) as archive:
        metadata = yaml.safe_load(archive.extractfile(f"{NAME}/Chart.yaml") or b"")
        readme = (archive.extractfile(f"{NAME}/README.md") or chart.open("rb")).read()
    annotations = metadata["annotations"]
    assert [each["image"] for each in yaml.safe_load(annotations["artifacthub.io/images"])] == [IMAGE, GIT_IMAGE]
    assert {each["kind"] for each in yaml.safe_load(annotations["artifacthub.io/changes"])} >= {"added"}
    assert annotations["artifacthub.io/prerelease"] == "true"
    assert b"| `image.repository` |" in readme
