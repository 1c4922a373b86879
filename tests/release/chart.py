"""The chart of a release: packaged with its image's digest and its changes, and pushed as an OCI artefact."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import yaml

from tests.chart.helm import helm
from tests.cluster.progress import ClusterError
from tests.release.changelog import changes, section
from tests.release.image import Registry
from tests.release.project import CHART, NAME, REGISTRY, ROOT, is_prerelease, semver, version

PINNED = f"{NAME}.dev/image"
"""The annotation from which the chart's templates take the default image."""
DIGEST = re.compile(r"Digest: (sha256:[0-9a-f]{64})")


def package(to: Path, registry: Registry, image: str, platforms: list[str]) -> Path:
    """Package the chart into a folder, with this reference as its default image, and return the archive. Raises HelmError."""
    with tempfile.TemporaryDirectory() as scratch:
        chart = Path(scratch) / NAME
        shutil.copytree(CHART, chart)
        values = chart / "values.yaml"
        values.write_text(values.read_text().replace(f"repository: {REGISTRY}/{NAME}\n", f"repository: {registry.image}\n"))
        metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
        metadata["annotations"] |= _annotations(image, platforms)
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


def _annotations(image: str, platforms: list[str]) -> dict[str, str]:
    """Return the annotations of one release, as the chart's templates and Artifact Hub read them."""
    notes = changes(section((ROOT / "CHANGELOG.md").read_text(), version()))
    return {
        PINNED: image,
        "artifacthub.io/images": yaml.safe_dump([{"name": NAME, "image": image, "platforms": platforms}]),
        "artifacthub.io/changes": yaml.safe_dump(notes, sort_keys=False, width=1000),
        "artifacthub.io/prerelease": str(is_prerelease(version())).lower(),
    }
