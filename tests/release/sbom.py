"""The SBOM of an image: every package of Debian and of Python in it, found by syft, in SPDX."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import unquote

from tests.cluster.binaries import find
from tests.cluster.processes import run
from tests.cluster.progress import taking
from tests.release.image import Registry
from tests.release.index import Platform


def bill_of(folder: Path, registry: Registry, image: str, platform: Platform) -> Path:
    """Write the SBOM of an image for one platform in a registry into a folder and return its path. Raises ClusterError."""
    path = folder / f"{image}-image-{platform.system}-{platform.architecture}.spdx.json"
    env = {**os.environ, "SYFT_REGISTRY_INSECURE_USE_HTTP": str(registry.plain_http).lower(), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    source = f"registry:{registry.repository(image)}@{platform.digest}"
    with taking(f"listing the packages in {image} for {platform.name}", "20 s"):
        run([str(find(["syft"])["syft"]), "scan", "--quiet", source, "--output", f"spdx-json={path}"], env=env)
    return path


def packages(bill: dict[str, object], kind: str) -> dict[str, str]:
    """Return the names and versions of a document's packages of a kind (`deb`, `pypi`), from their package URLs."""
    found = {}
    for url in (url for url in _urls(json.loads(json.dumps(bill))) if url.startswith(f"pkg:{kind}/")):
        name, _, version = url.partition("?")[0].rpartition("@")
        found[unquote(name.rpartition("/")[2])] = unquote(version)
    return found


def _urls(bill: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
    references = [each for package in bill["packages"] for each in package.get("externalRefs", [])]
    return [each["referenceLocator"] for each in references if each["referenceType"] == "purl"]
