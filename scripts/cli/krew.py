"""The archives of the single files, and the manifest from which krew installs them."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PLUGIN = "runwatchman"
"""The name in krew's index: `kubectl krew install runwatchman` makes it `kubectl runwatchman`."""

PRERELEASE = re.compile(r"\.?(dev|a|b|rc)(\d+)$")
TIME = (2020, 2, 2, 0, 0, 0)
DESCRIPTION = """\
Starts Runs, the custom resources of the operator runwatchman, which supervises AI coding agents on Kubernetes. Shows their state
and the reasons for it, steers them, and answers their questions. It calls kubectl with your own permissions.
"""
CAVEATS = """\
This plugin needs Python 3.11 to 3.14 on PATH (python3, on Windows python), and no package.
The cluster needs the operator: {homepage}
"""


def write(programs: dict[str, Path], to: Path) -> Path:
    """Write an archive for the file of each platform, and the manifest, and return the manifest's path."""
    archives = {platform: archive(program, to) for platform, program in programs.items()}
    path = to / f"{PLUGIN}.yaml"
    path.write_text(yaml.safe_dump(manifest(archives), sort_keys=False, width=120))
    return path


def archive(program: Path, to: Path) -> Path:
    """Write an archive with a platform's program and the licence. The same program gives the same bytes."""
    members = {f"kubectl-rw{program.suffix}": program.read_bytes(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
    path = to / f"{program.stem}{'.zip' if program.suffix else '.tar.gz'}"
    path.write_bytes(zipped(members) if program.suffix else tarred(members))
    return path


def tarred(members: dict[str, bytes]) -> bytes:
    """Return the members as a compressed tar, executable."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            file.addfile(entry, io.BytesIO(data))
    return gzip.compress(tar.getvalue(), mtime=0)


def zipped(members: dict[str, bytes]) -> bytes:
    """Return the members as a zip."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, TIME), data)
    return archive.getvalue()


def manifest(archives: dict[str, Path]) -> dict[str, object]:
    """Return the manifest of this version, with the sums of the archives, where its release has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    homepage, version = project["urls"]["Homepage"], PRERELEASE.sub(r"-\1.\2", project["version"])
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PLUGIN},
        "spec": {
            "version": f"v{version}",
            "homepage": homepage,
            "shortDescription": "Start, watch and steer runs of AI coding agents",
            "description": DESCRIPTION,
            "caveats": CAVEATS.format(homepage=homepage),
            "platforms": [
                entry(platform, path, f"{homepage}/releases/download/v{project['version']}/{path.name}")
                for platform, path in archives.items()
            ],
        },
    }


def entry(platform: str, path: Path, uri: str) -> dict[str, object]:
    """Return the manifest's entry of a platform."""
    system, _, architecture = platform.partition("-")
    return {
        "selector": {"matchLabels": {"os": system, "arch": architecture}},
        "uri": uri,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bin": "kubectl-rw.exe" if path.suffix == ".zip" else "kubectl-rw",
    }
