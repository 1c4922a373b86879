"""The index of a release's images: needs buildah and a registry, and no cluster."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from controller.api.base import JsonObject
from tests.buildah import buildah, has_buildah
from tests.release.image import Registry
from tests.release.index import push_index
from tests.release.loopback import loopback_registry
from tests.skipping import cannot_run


def test_one_index_for_two_architectures(tmp_path: Path) -> None:
    """The archives of two machines become one index in the registry, with the platform and the digest of each image."""
    if not has_buildah():
        cannot_run("needs buildah")
    with loopback_registry() as (registry, _):
        made = push_index([_empty_image(tmp_path, each) for each in ("amd64", "arm64")], registry, "1.0.0", "latest")
        for tag in (made.digest, "1.0.0", "latest"):
            index = _manifest(registry, tag)
            assert [each["digest"] for each in index["manifests"]] == [each.digest for each in made.platforms]
            assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    assert [each.name for each in made.platforms] == ["linux/amd64", "linux/arm64"]


def _empty_image(folder: Path, architecture: str) -> Path:
    """Return an archive of an image for an architecture, with nothing to run in it."""
    (folder / "Containerfile").write_text(f"FROM scratch\nLABEL for={architecture}\n")
    name, path = f"localhost/runwatchman/empty:{architecture}", folder / f"{architecture}.tar"
    buildah("bud", "--quiet", "--platform", f"linux/{architecture}", "--tag", name, str(folder))
    buildah("push", "--quiet", "--format", "oci", name, f"oci-archive:{path}")
    buildah("rmi", name)
    return path


def _manifest(registry: Registry, tag: str) -> JsonObject:
    host, _, repository = registry.image.partition("/")
    media = {"Accept": "application/vnd.oci.image.index.v1+json"}
    request = urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{tag}", headers=media)
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # loopback
        found: JsonObject = json.load(answer)
    return found
