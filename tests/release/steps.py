"""A release, step by step: the same steps publish a tag, and try a release out on a registry of this machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.progress import ClusterError, taking
from tests.recipe_image import PUBLISHED
from tests.release import chart, files, signing
from tests.release.image import PUBLIC_BASE, RECIPES_BASE, Registry, archives_of, revision
from tests.release.index import Index, push_index
from tests.release.notes import notes
from tests.release.project import NAME, semver, version
from tests.release.provenance import Build, predicate
from tests.release.published import Published, PublishedImage
from tests.release.sbom import bill_of
from tests.release.signing import PROVENANCE, SBOM, Signer

STATEMENT = "provenance.json"
IMAGES = (NAME, *(recipe.name for recipe in PUBLISHED))


def publish(folder: Path, registry: Registry, signer: Signer, bases: tuple[str, ...] = (PUBLIC_BASE, RECIPES_BASE)) -> Published:
    """Publish the images of a folder's archives and the chart, and leave the files of the release in it, all signed.

    Raises ClusterError, HelmError and NoNotesError; nothing that is already pushed is taken back.
    """
    started = _now()
    archives = {image: archives_of(folder, image) for image in IMAGES}
    for image in (image for image, found in archives.items() if not found):
        raise ClusterError(f"{folder} has no image {image} to publish: build all with `python -m tests.release image`")
    # 1. The images, and the chart and the manifests that name theirs by digest.
    with taking("pushing the images and the chart"):
        indexes = {image: push_index(found, registry, *_tags(), image=image) for image, found in archives.items()}
        pinned = {image: f"{registry.repository(image)}:{version()}@{indexes[image].digest}" for image in chart.PINNED}
        package = chart.package(folder, registry, pinned, [each.name for each in indexes[NAME].platforms])
        charted = f"{registry.charts}/{NAME}@{chart.push(package, registry)}"
        files.install_yaml(folder, pinned)
    images = {image: _published(registry.repository(image), index) for image, index in indexes.items()}
    found = Published(version(), charted, images)
    # 2. The files that describe them.
    found.write(folder)
    bills = {
        images[image].platforms[each.name]: bill_of(folder, registry, image, each)
        for image, index in indexes.items()
        for each in index.platforms
    }
    (folder / "notes.md").write_text(notes(found.version, found.image, found.chart_url, semver(found.version), *found.others))
    for archive in (path for paths in archives.values() for path in paths):
        archive.unlink()
    build = Build(found.version, revision(), bases, started, _now(), tuple(found.platforms))
    (statement := folder / STATEMENT).write_text(json.dumps(predicate(build), indent=1) + "\n")
    # 3. The signatures, at last over the checksums of all files.
    with taking("signing"):
        _sign(found, bills, statement, registry, signer)
        signing.sign_file(files.checksums(folder), signer)
    return found


def verify(folder: Path, registry: Registry, signer: Signer) -> Published:
    """Verify everything that a release has published, as docs/verify.md describes it. Raises ClusterError."""
    found = Published.read(folder)
    signing.verify_file(folder / files.CHECKSUMS, signer)
    files.check(folder)
    for reference in found.signed:
        signing.verify(reference, registry, signer)
        stated = signing.verify_attestation(reference, PROVENANCE, registry, signer)
        if stated != json.loads((folder / STATEMENT).read_text()):
            raise ClusterError(f"the provenance of {reference} differs from {STATEMENT}: {json.dumps(stated)}")
    for reference in (each for image in found.images.values() for each in image.platforms.values()):
        signing.verify(reference, registry, signer)
        if not signing.verify_attestation(reference, SBOM, registry, signer)["packages"]:
            raise ClusterError(f"the SBOM of {reference} lists no package")
    return found


def _tags() -> list[str]:
    """Return the tags of an image: the version as Python and as Helm write it."""
    return sorted({version(), semver(version())})


def _published(repository: str, index: Index) -> PublishedImage:
    platforms = {each.name: f"{repository}@{each.digest}" for each in index.platforms}
    return PublishedImage(f"{repository}@{index.digest}", platforms)


def _sign(found: Published, bills: dict[str, Path], statement: Path, registry: Registry, signer: Signer) -> None:
    """Sign all images and the chart, with the SBOM of each platform's image by its reference."""
    for reference in found.signed:
        signing.sign(reference, registry, signer)
        signing.attest(reference, PROVENANCE, statement, registry, signer)
    for reference, bill in bills.items():
        signing.attest(reference, SBOM, bill, registry, signer)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
