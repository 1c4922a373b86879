"""The index of a release's images in a registry: one name for all platforms."""

from __future__ import annotations

import json
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.buildah import buildah
from tests.release.image import Registry
from tests.release.project import NAME


@dataclass(frozen=True, slots=True)
class Platform:
    """One image of an index."""

    system: str
    architecture: str
    digest: str

    @property
    def name(self) -> str:
        """The platform as container tools write it."""
        return f"{self.system}/{self.architecture}"


@dataclass(frozen=True, slots=True)
class Index:
    """An index in a registry."""

    digest: str
    platforms: tuple[Platform, ...]


def push_index(archives: list[Path], registry: Registry, *tags: str, image: str = NAME) -> Index:
    """Push one index of all archives of an image, under some tags. Raises ClusterError."""
    name = f"localhost/{NAME}/index:{uuid.uuid4().hex}"
    buildah("manifest", "create", name)
    try:
        for archive in archives:
            buildah("manifest", "add", name, f"oci-archive:{archive}")
        platforms = _platforms(buildah("manifest", "inspect", name))
        with tempfile.NamedTemporaryFile("r") as digest:
            options = ["--all", "--format", "oci", "--digestfile", digest.name, f"--tls-verify={not registry.plain_http}".lower()]
            for tag in tags:
                buildah("manifest", "push", *options, name, f"docker://{registry.repository(image)}:{tag}")
            return Index(digest.read().strip(), platforms)
    finally:
        buildah("manifest", "rm", name)


def _platforms(index: str) -> tuple[Platform, ...]:
    """Return the images of an index by platform; a push keeps their digests, because the archives have OCI's format already."""
    found = [(each["platform"], each["digest"]) for each in json.loads(index)["manifests"]]
    made = [Platform(platform["os"], platform["architecture"], digest) for platform, digest in found]
    return tuple(sorted(made, key=lambda each: each.name))
