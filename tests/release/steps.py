"""A release, step by step: the same steps publish a tag, and try a release out on a registry of this machine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.progress import ClusterError, taking
from tests.release import chart, files, signing
from tests.release.image import ARCHIVES, PUBLIC_BASE, Registry, revision
from tests.release.index import push_index
from tests.release.notes import notes
from tests.release.project import NAME, semver, version
from tests.release.provenance import Build, predicate
from tests.release.sbom import bill_of
from tests.release.signing import PROVENANCE, SBOM, Signer

RECORD, STATEMENT = "release.json", "provenance.json"


@dataclass(frozen=True, slots=True)
class Published:
    """The references of what a release has published, each with its digest."""

    version: str
    image: str
    chart: str
    platforms: dict[str, str]
    """A platform, as linux/amd64 -> the reference of its image."""

    @property
    def chart_url(self) -> str:
        """The chart as helm takes it, without its version."""
        return f"oci://{self.chart.partition('@')[0]}"


def publish(folder: Path, registry: Registry, signer: Signer, base: str = PUBLIC_BASE) -> Published:
    """Publish the image of a folder's archives and the chart, and leave the files of the release in it, all signed.

    Raises ClusterError, HelmError and NoNotesError; nothing that is already pushed is taken back.
    """
    started = _now()
    archives = sorted(folder.glob(ARCHIVES))
    if not archives:
        raise ClusterError(f"{folder} has no image to publish: build one with `python -m tests.release image`")
    # 1. The image, and the chart and the manifests that name it by its digest.
    with taking("pushing the image and the chart"):
        index = push_index(archives, registry, *sorted({version(), semver(version())}))  # as Python and as Helm write it
        pinned = f"{registry.image}:{version()}@{index.digest}"
        package = chart.package(folder, registry, pinned, [each.name for each in index.platforms])
        chart_digest = chart.push(package, registry)
        files.install_yaml(folder, pinned)
    found = Published(
        version=version(),
        image=f"{registry.image}@{index.digest}",
        chart=f"{registry.charts}/{NAME}@{chart_digest}",
        platforms={each.name: f"{registry.image}@{each.digest}" for each in index.platforms},
    )
    # 2. The files that describe both.
    (folder / RECORD).write_text(json.dumps(asdict(found), indent=1) + "\n")
    bills = {each.name: bill_of(folder, registry, each) for each in index.platforms}
    (folder / "notes.md").write_text(notes(found.version, found.image, found.chart_url, semver(found.version)))
    for archive in archives:
        archive.unlink()
    build = Build(found.version, revision(), base, started, _now(), tuple(found.platforms))
    (statement := folder / STATEMENT).write_text(json.dumps(predicate(build), indent=1) + "\n")
    # 3. The signatures, at last over the checksums of all files.
    with taking("signing"):
        _sign(found, bills, statement, registry, signer)
        signing.sign_file(files.checksums(folder), signer)
    return found


def verify(folder: Path, registry: Registry, signer: Signer) -> Published:
    """Verify everything that a release has published, as docs/verify.md describes it. Raises ClusterError."""
    found = Published(**json.loads((folder / RECORD).read_text()))
    signing.verify_file(folder / files.CHECKSUMS, signer)
    files.check(folder)
    for reference in (found.image, found.chart):
        signing.verify(reference, registry, signer)
        stated = signing.verify_attestation(reference, PROVENANCE, registry, signer)
        if stated != json.loads((folder / STATEMENT).read_text()):
            raise ClusterError(f"the provenance of {reference} differs from {STATEMENT}: {json.dumps(stated)}")
    for reference in found.platforms.values():
        signing.verify(reference, registry, signer)
        if not signing.verify_attestation(reference, SBOM, registry, signer)["packages"]:
            raise ClusterError(f"the SBOM of {reference} lists no package")
    return found


def _sign(found: Published, bills: dict[str, Path], statement: Path, registry: Registry, signer: Signer) -> None:
    for reference in (found.image, found.chart):
        signing.sign(reference, registry, signer)
        signing.attest(reference, PROVENANCE, statement, registry, signer)
    for platform, reference in found.platforms.items():
        signing.attest(reference, SBOM, bills[platform], registry, signer)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
