"""The advisor's image for tests: runwarden's own with the real codex in it, as docs/advisor.md tells users to build one."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path

from tests.clis.install import install
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.cluster.progress import taking
from tests.cluster.settings import cache_dir
from tests.image import IMAGE, archive, buildah, has_buildah, kept, push

ADVISOR_IMAGE = "localhost/runwarden/runwarden-codex:dev"
RECIPE = f"FROM {IMAGE}\nCOPY codex /usr/local/bin/codex\n"


def load_advisor_image(cluster: Cluster) -> str:
    """Make the image known to a cluster's nodes, building it where its parts have changed; a cluster not ours has to have it."""
    if not isinstance(cluster, KindCluster):
        return ADVISOR_IMAGE
    codex = _codex()
    name = f"advisor-{archive().stem.removeprefix('image-')}-{codex.stat().st_size}.tar"
    path = kept(name, partial(_build, codex), "building the advisor's image", "30 s")
    with taking("loading the advisor's image", "20 s"):
        cluster.load(path)
    return ADVISOR_IMAGE


def _build(codex: Path, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        shutil.copy(codex, Path(folder) / "codex")
        (Path(folder) / "Containerfile").write_text(RECIPE)
        if has_buildah():
            buildah("bud", "--quiet", "--timestamp", "0", "--pull-never", "--tag", ADVISOR_IMAGE, folder)
            push(ADVISOR_IMAGE, path)
        else:
            run(["docker", "build", "-t", ADVISOR_IMAGE, "-f", f"{folder}/Containerfile", folder])
            run(["docker", "save", "-o", str(path), ADVISOR_IMAGE])


def _codex() -> Path:
    """Return the program that the npm package starts; it needs no Node."""
    packages = install().parent
    return next(packages.glob("@openai/codex-*/vendor/*/bin/codex"))
