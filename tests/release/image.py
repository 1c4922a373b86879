"""The images of a release, runwatchman's and those of recipes: an archive of each for each architecture."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.buildah import buildah
from tests.cluster.processes import run
from tests.cluster.progress import ClusterError, taking
from tests.cluster.settings import architecture
from tests.image import build
from tests.recipe_image import PUBLISHED
from tests.recipe_image import build as build_recipe
from tests.release.project import NAME, ROOT, version

PUBLIC_BASE = "docker.io/library/python:3.13-slim"
"""The base of a published image, which the Containerfile names; the tests have their own, as they reach no registry."""
RECIPES_BASE = "docker.io/library/debian:trixie-slim"
"""The base that the recipes name."""
ARCHIVES = "{image}-image-{architecture}.tar"


@dataclass(frozen=True, slots=True)
class Registry:
    """Where the image and the chart are pushed: `ghcr.io/owner`, or a registry of this machine without TLS."""

    name: str
    plain_http: bool = False

    @property
    def image(self) -> str:
        """The repository of runwatchman's image."""
        return self.repository(NAME)

    def repository(self, image: str) -> str:
        """Return the repository of an image."""
        return f"{self.name}/{image}"

    @property
    def charts(self) -> str:
        """The folder of the charts; helm adds a chart's own name."""
        return f"{self.name}/charts"


def revision() -> str:
    """Return the commit of the tree, `unknown` without git."""
    with suppress(ClusterError):
        return run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
    return "unknown"


def archives_of(folder: Path, image: str) -> list[Path]:
    """Return a folder's archives of an image, one for each architecture."""
    return sorted(folder.glob(ARCHIVES.format(image=image, architecture="*")))


def build_archives(to: Path, base: str | None = None, recipes_base: str | None = None, *, level: int | None = None) -> list[Path]:
    """Build all images for this machine's architecture, by default on our own bases, and return their OCI archives, compressed at
    a level of gzip or at buildah's own.

    Another architecture needs a machine of that architecture: nothing is emulated. Raises ClusterError.
    """
    _pull(base, recipes_base)
    facts = ("--build-arg", f"VERSION={version()}", "--build-arg", f"REVISION={revision()}")
    with taking(f"building the images of {version()} for {architecture()}", "15 s after a change"):
        build(*facts, image=_name(NAME), base=base)
        anew = ("--no-cache",) if recipes_base else ()  # with the packages that Debian has today
        for recipe in PUBLISHED:
            build_recipe(recipe, *facts, *anew, name=_name(recipe.name), base=recipes_base)
        return [_write(to, image, level) for image in (NAME, *(recipe.name for recipe in PUBLISHED))]


def _pull(*bases: str | None) -> None:
    for base in filter(None, bases):
        buildah("pull", "--quiet", base)


def _name(image: str) -> str:
    """Return the name of an image in buildah's storage."""
    return f"localhost/{NAME}/release-{image}:{version()}"


def _write(to: Path, image: str, level: int | None) -> Path:
    path = to / ARCHIVES.format(image=image, architecture=architecture())
    path.unlink(missing_ok=True)
    pressed = () if level is None else ("--compression-format", "gzip", "--compression-level", str(level))
    buildah("push", "--quiet", "--format", "oci", *pressed, _name(image), f"oci-archive:{path}:{version()}")
    return path
