"""The previous release, from its files in releases/: its chart, and its image."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from pathlib import Path

from tests.cluster.settings import cache_dir
from tests.image import IMAGE, build_archive, kept

(SOURCE,) = (Path(__file__).parent / "releases").glob("*.tar.xz")
VERSION = SOURCE.name.removesuffix(".tar.xz")
PREVIOUS_IMAGE = f"{IMAGE.rpartition(':')[0]}:{VERSION}"


def unpack(to: Path) -> Path:
    """Unpack the sources of the release and return its chart."""
    with tarfile.open(SOURCE) as archive:
        archive.extractall(to, filter="data")
    return to / "charts/runwatchman"


def previous_archive() -> Path:
    """Return a docker archive of the release's image, building it if it is missing. Raises ClusterError."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    return kept(f"previous-{digest}.tar", _build, f"building the image of {VERSION}", "15 s")


def _build(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        unpack(Path(scratch))
        build_archive(path, Path(scratch), PREVIOUS_IMAGE)
