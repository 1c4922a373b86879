"""The advisor's image, runwatchman's own with the real codex in it, from the users' build recipe: images/codex."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import click

from tests.buildah import buildah, has_buildah, push
from tests.clis.install import install_locked
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.cluster.progress import taking
from tests.image import IMAGE, ROOT, archive, build, kept

ADVISOR_IMAGE = "localhost/runwatchman/runwatchman-codex:dev"
RECIPE = ROOT / "images/codex"


def load_advisor_image(cluster: Cluster) -> str:
    """Load the image on a cluster's nodes, building it if its inputs have changed; a foreign cluster has to have it."""
    if not isinstance(cluster, KindCluster):
        return ADVISOR_IMAGE
    path = advisor_archive()
    with taking("loading the advisor's image", "20 s"):
        cluster.load(path)
    return ADVISOR_IMAGE


def advisor_archive() -> Path:
    """Return a docker archive of the image, building it if its inputs have changed."""
    packages = install_locked(RECIPE, "codex")
    digest = hashlib.sha256(archive().name.encode() + (RECIPE / "Containerfile").read_bytes() + packages.name.encode()).hexdigest()
    return kept(f"advisor-{digest[:12]}.tar", partial(_build, packages), "building the advisor's image", "30 s")


def _build(packages: Path, path: Path) -> None:
    """Build from the packages as `npm ci --prefix images/codex` would install them there."""
    recipe = ["-f", str(RECIPE / "Containerfile"), "--tag", ADVISOR_IMAGE, "--build-arg", f"RUNWATCHMAN={IMAGE}", str(packages)]
    if has_buildah():
        build()  # the archive may exist and buildah's own copy not
        buildah("bud", "--quiet", "--timestamp", "0", "--pull-never", *recipe)
        push(ADVISOR_IMAGE, path)
    else:
        run(["docker", "build", *recipe])
        run(["docker", "save", "-o", str(path), ADVISOR_IMAGE])


if __name__ == "__main__":
    click.echo(f"{advisor_archive()}  holds {ADVISOR_IMAGE}")
