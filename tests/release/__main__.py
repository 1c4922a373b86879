"""`python -m tests.release`: the steps of a release by hand; .github/workflows/release.yaml runs them for a tag."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tests.chart.helm import HelmError
from tests.cluster.progress import ClusterError
from tests.release import files, steps
from tests.release.changelog import NoNotesError, section
from tests.release.image import PUBLIC_BASE, RECIPES_BASE, Registry, build_archives
from tests.release.project import REGISTRY, ROOT, version
from tests.release.signing import by_workflow
from tests.release.site import add_version

FOLDER = click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default="dist", show_default=True)
OWN = "own"
REGISTRY_OPTION = click.option("--registry", default=REGISTRY, show_default=True, help="Where the images and the chart are.")
BASE = click.option("--base", default=PUBLIC_BASE, show_default=True, help="The base of runwatchman's image; `own` is the tests'.")
OTHERS_BASE = click.option(
    "--recipes-base", default=RECIPES_BASE, show_default=True, help="The base of the other images, or `own`."
)
IDENTITY = click.option("--identity", required=True, help="The workflow that signs: its URL, with its ref.")


@click.group()
def main() -> None:
    """Build, publish and verify a release, step by step."""


@main.command()
@click.argument("tag")
def check(tag: str) -> None:
    """Refuse a tag that is not the version of the tree, and a version without changes in CHANGELOG.md."""
    if tag != f"v{version()}":
        raise ClusterError(
            f"the tag {tag} is not v{version()}, the version of this tree: run scripts/set-version, or tag another commit"
        )
    section((ROOT / "CHANGELOG.md").read_text(), version())


@main.command()
@click.option("--recipes", is_flag=True, help="The base of the other images.")
def base(recipes: bool) -> None:
    """Print the name of the image's base, whose digest the workflow looks up once for all architectures."""
    click.echo(RECIPES_BASE if recipes else PUBLIC_BASE)


@main.command()
@FOLDER
@BASE
@OTHERS_BASE
def image(folder: Path, base: str, recipes_base: str) -> None:
    """Build the images for this machine's architecture."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in build_archives(folder, *(None if each == OWN else each for each in (base, recipes_base))):
        click.echo(path)


@main.command()
@FOLDER
def dists(folder: Path) -> None:
    """Build the wheel, the sdist, and the plugin for kubectl as one file for each platform."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files.python_dists(folder):
        click.echo(path)
    files.plugins(folder)


@main.command()
@FOLDER
@REGISTRY_OPTION
@IDENTITY
@BASE
@OTHERS_BASE
def publish(folder: Path, registry: str, identity: str, base: str, recipes_base: str) -> None:
    """Push and sign the images and the chart, and leave the signed files of the release in the folder."""
    click.echo(steps.publish(folder, Registry(registry), by_workflow(identity), (base, recipes_base)).image)


@main.command()
@FOLDER
@REGISTRY_OPTION
@IDENTITY
def verify(folder: Path, registry: str, identity: str) -> None:
    """Verify all that a release has published, with the files of the release in the folder."""
    click.echo(f"verified: {steps.verify(folder, Registry(registry), by_workflow(identity)).image}")


@main.command()
@click.argument("pages", type=click.Path(file_okay=False, path_type=Path))
def site(pages: Path) -> None:
    """Add this version's documentation to a site with a folder for each version."""
    click.echo(add_version(pages, version()))


if __name__ == "__main__":
    try:
        main()
    except (ClusterError, HelmError, NoNotesError) as error:
        sys.exit(f"error: {error}")
