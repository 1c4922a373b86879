"""The image of a release: an archive for each architecture, and the index of all of them in a registry."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.buildah import buildah
from tests.cluster.processes import run
from tests.cluster.progress import ClusterError, taking
from tests.cluster.settings import architecture
from tests.image import build
from tests.release.project import NAME, ROOT, version

PUBLIC_BASE = "docker.io/library/python:3.13-slim"
"""The base of a published image, which the Containerfile names; the tests have their own, as they reach no registry."""
ARCHIVES = f"{NAME}-image-*.tar"


@dataclass(frozen=True, slots=True)
class Registry:
    """Where the image and the chart are pushed: `ghcr.io/owner`, or a registry of this machine without TLS."""

    name: str
    plain_http: bool = False

    @property
    def image(self) -> str:
        """The repository of the image."""
        return f"{self.name}/{NAME}"

    @property
    def charts(self) -> str:
        """The folder of the charts; helm adds a chart's own name."""
        return f"{self.name}/charts"


def revision() -> str:
    """Return the commit of the tree, `unknown` without git."""
    with suppress(ClusterError):
        return run(["git", "rev-parse", "HEAD"], cwd=ROOT).strip()
    return "unknown"


def build_archive(to: Path, base: str | None = None) -> Path:
    """Build the image for this machine's architecture and return its OCI archive. Raises ClusterError.

    Another architecture needs a machine of that architecture: nothing is emulated.
    """
    path = to / ARCHIVES.replace("*", architecture())
    name = f"localhost/{NAME}/release:{version()}"
    facts = ("--build-arg", f"VERSION={version()}", "--build-arg", f"REVISION={revision()}")
    with taking(f"building the image of {version()} for {architecture()}", "15 s after a change"):
        if base:
            buildah("pull", "--quiet", base)
        build(*facts, image=name, base=base)
        path.unlink(missing_ok=True)
        buildah("push", "--quiet", "--format", "oci", name, f"oci-archive:{path}:{version()}")
    return path
