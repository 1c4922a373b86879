"""The images of the recipes under images/, as users build them, without a registry: `python -m tests.recipe_image`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from tests import image
from tests.buildah import SLIM, base_image, buildah, has_buildah, push
from tests.clis.install import install_locked
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.cluster.progress import taking

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "images"
CONTAINERFILE = "Containerfile"
_LOADED: set[tuple[str, str]] = set()
"""The clusters of this process, each with an image that it has."""


@dataclass(frozen=True)
class Recipe:
    """A folder under images/ with a Containerfile."""

    name: str
    image: str
    """The name of the image that the tests build."""
    packages: str = ""
    """The folder under images/ whose package-lock.json npm installs as the context; empty: the context is the recipe itself."""
    on_ours: bool = False
    """Whether the base is runwatchman's own image, and not Debian."""

    @property
    def containerfile(self) -> Path:
        """The recipe itself."""
        return RECIPES / self.name / CONTAINERFILE

    @property
    def packages_folder(self) -> Path:
        """The folder with package.json and its lock file."""
        return RECIPES / self.packages

    def version(self) -> str:
        """Return the version of the only package."""
        (version,) = json.loads((self.packages_folder / "package.json").read_text())["dependencies"].values()
        return str(version)

    def context(self) -> Path:
        """Return the build's context: the packages as `npm ci --prefix images/...` would install them there."""
        return install_locked(self.packages_folder, self.packages) if self.packages else RECIPES / self.name


ADVISOR = Recipe("codex", "localhost/runwatchman/runwatchman-codex:dev", packages="codex", on_ours=True)
CODEX_AGENT = Recipe("codex-agent", "localhost/runwatchman/codex-agent:dev", packages="codex")
CLAUDE_AGENT = Recipe("claude-agent", "localhost/runwatchman/claude-agent:dev", packages="claude-agent")
GIT = Recipe("git", "localhost/runwatchman/git:dev")
AGENTS = (CODEX_AGENT, CLAUDE_AGENT)
PUBLISHED = (CODEX_AGENT, GIT)
"""The recipes whose images a release publishes. claude's licence reserves all rights, so its image is built by its users."""


def load_image(cluster: Cluster, recipe: Recipe) -> str:
    """Load a recipe's image on a cluster's nodes, building it if its inputs have changed; a foreign cluster has to have it."""
    if isinstance(cluster, KindCluster) and (cluster.name, recipe.name) not in _LOADED:
        path = recipe_archive(recipe)
        with taking(f"loading the image {recipe.name}", "20 s"):
            cluster.load(path)
        _LOADED.add((cluster.name, recipe.name))
    return recipe.image


def recipe_archive(recipe: Recipe) -> Path:
    """Return a docker archive of a recipe's image, building it if its inputs have changed. Raises ClusterError."""
    context = recipe.context()
    kind = recipe.name.replace("-", "")  # the part of the archive's name before its hyphen
    build_it = partial(_build_archive, recipe, context)
    return image.kept(f"{kind}-{_digest(recipe, context)}.tar", build_it, f"building the image {recipe.name}", "1 min")


def build(recipe: Recipe, *options: str, name: str, base: str | None = None) -> None:
    """Build a recipe's image by buildah under a name, on our own base by default. Raises ClusterError."""
    flags = ["--timestamp", "0", "--layers", "--pull-never", "--build-arg", f"BASE={base or _base(recipe)}"]
    where = ["-f", str(recipe.containerfile), "--tag", name, str(recipe.context())]
    buildah("bud", "--quiet", *flags, *options, *where)


def _build_archive(recipe: Recipe, context: Path, path: Path) -> None:
    if has_buildah():
        build(recipe, name=recipe.image)
        push(recipe.image, path)
        return
    ours = ["--build-arg", f"BASE={image.IMAGE}"] if recipe.on_ours else []
    run(["docker", "build", *ours, "-f", str(recipe.containerfile), "--tag", recipe.image, str(context)])
    run(["docker", "save", "-o", str(path), recipe.image])


def _base(recipe: Recipe) -> str:
    """Return the name of a recipe's base in buildah's storage."""
    if not recipe.on_ours:
        return base_image(SLIM)
    image.build()  # its archive may exist and buildah's own copy not
    return image.IMAGE


def _digest(recipe: Recipe, context: Path) -> str:
    base = image.archive().name if recipe.on_ours else SLIM.inputs()
    digest = hashlib.sha256(base.encode() + recipe.containerfile.read_bytes())
    files = [context / "package-lock.json"] if recipe.packages else [path for path in sorted(context.rglob("*")) if path.is_file()]
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    for each in (ADVISOR, *AGENTS, GIT):
        click.echo(f"{recipe_archive(each)}  holds {each.image}")
