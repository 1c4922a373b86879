"""The chart of a release: packaged with its image's digest and its changes, and pushed as an OCI artefact."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import yaml

from tests.chart.helm import helm
from tests.cluster.progress import ClusterError
from tests.recipe_image import GIT
from tests.release.changelog import changes, section
from tests.release.image import Registry
from tests.release.project import CHART, NAME, REGISTRY, ROOT, is_prerelease, semver, version

PINNED = {NAME: f"{NAME}.dev/image", GIT.name: f"{NAME}.dev/git-image"}
"""An image of the chart -> the annotation from which its templates take the default reference."""
DIGEST = re.compile(r"Digest: (sha256:[0-9a-f]{64})")


def package(to: Path, registry: Registry, images: dict[str, str], platforms: list[str]) -> Path:
    """Package the chart into a folder, with these references as its default images, and return the archive. Raises HelmError."""
    with tempfile.TemporaryDirectory() as scratch:
        chart = Path(scratch) / NAME
        shutil.copytree(CHART, chart)
        values = chart / "values.yaml"
        text = values.read_text()
        for image in PINNED:
            text = text.replace(f"repository: {REGISTRY}/{image}\n", f"repository: {registry.repository(image)}\n")
        values.write_text(text)
        metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
        metadata["annotations"] |= _annotations(images, platforms)
        (chart / "Chart.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False, width=120))
        helm("package", str(chart), "--destination", str(to), home=Path(scratch))
    return to / f"{NAME}-{semver(version())}.tgz"


def push(archive: Path, registry: Registry) -> str:
    """Push a packaged chart and return its digest. Raises HelmError."""
    options = ["--plain-http"] if registry.plain_http else []
    with tempfile.TemporaryDirectory() as home:
        printed = helm("push", str(archive), f"oci://{registry.charts}", *options, home=Path(home), messages=True)
    found = DIGEST.search(printed)
    if not found:
        raise ClusterError(f"helm push printed no digest: {printed}")
    return found[1]


def _annotations(images: dict[str, str], platforms: list[str]) -> dict[str, str]:
    """Return the annotations of one release, as the chart's templates and Artifact Hub read them."""
    notes = changes(section((ROOT / "CHANGELOG.md").read_text(), version()))
    listed = [{"name": name, "image": image, "platforms": platforms} for name, image in images.items()]
    return {
        **{PINNED[name]: image for name, image in images.items()},
        "artifacthub.io/images": yaml.safe_dump(listed),
        "artifacthub.io/changes": yaml.safe_dump(notes, sort_keys=False, width=1000),
        "artifacthub.io/prerelease": str(is_prerelease(version())).lower(),
    }
