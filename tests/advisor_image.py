"""The advisor's image for tests: runwarden's own with the real codex in it, as docs/advisor.md tells users to build one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.clis.install import install
from tests.cluster import Cluster
from tests.cluster.binaries import find
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.cluster.progress import locked, taking
from tests.cluster.settings import cache_dir
from tests.image import IMAGE, archive, buildah, has_buildah

ADVISOR_IMAGE = "localhost/runwarden/runwarden-codex:dev"
RECIPE = f"FROM {IMAGE}\nCOPY codex /usr/local/bin/codex\n"


def load_advisor_image(cluster: Cluster) -> str:
    """Make the image known to a cluster's nodes, building it where its parts have changed; a cluster not ours has to have it."""
    if not isinstance(cluster, KindCluster):
        return ADVISOR_IMAGE
    path = _archive()
    with taking("loading the advisor's image", "20 s"):
        run([str(find(["kind"])["kind"]), "load", "image-archive", str(path), "--name", cluster.name], env=cluster.env)
    return ADVISOR_IMAGE


def _archive() -> Path:
    codex = _codex()
    path = cache_dir() / f"advisor-{archive().stem.removeprefix('image-')}-{codex.stat().st_size}.tar"
    with locked(cache_dir() / ".advisor.lock"):
        if not path.exists():
            for old in cache_dir().glob("advisor-*.tar"):
                old.unlink()
            with taking("building the advisor's image", "30 s"), tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
                shutil.copy(codex, Path(scratch) / "codex")
                (Path(scratch) / "Containerfile").write_text(RECIPE)
                _build(Path(scratch), path)
    return path


def _build(folder: Path, path: Path) -> None:
    partial = path.with_suffix(".partial")
    if has_buildah():
        buildah("bud", "--quiet", "--timestamp", "0", "--pull-never", "--tag", ADVISOR_IMAGE, str(folder))
        buildah("push", "--quiet", ADVISOR_IMAGE, f"docker-archive:{partial}:{ADVISOR_IMAGE}")
    else:
        run(["docker", "build", "-t", ADVISOR_IMAGE, str(folder)])
        run(["docker", "save", "-o", str(partial), ADVISOR_IMAGE])
    partial.rename(path)


def _codex() -> Path:
    """Return the program that the npm package starts; it needs no Node."""
    packages = install().parent
    return next(packages.glob("@openai/codex-*/vendor/*/bin/codex"))
