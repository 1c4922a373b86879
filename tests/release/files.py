"""The files of a release: manifests for kubectl, Python's wheel and sdist, the plugin for kubectl, and the checksums of all."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.binaries import find
from tests.cluster.processes import run
from tests.cluster.progress import ClusterError, taking
from tests.release.project import NAME, REGISTRY, ROOT, version

OVERLAY = ROOT / "manifests/overlays/cluster-wide"
INSTALL, CHECKSUMS = "install.yaml", "checksums.txt"


def install_yaml(to: Path, images: dict[str, str]) -> Path:
    """Write the objects of the cluster-wide overlay, with the references of these images. Raises ClusterError."""
    rendered = run([str(find(["kubectl"])["kubectl"]), "kustomize", str(OVERLAY)])
    for name, image in images.items():
        default = f"{REGISTRY}/{name}:{version()}\n"
        if default not in rendered:
            raise ClusterError(f"the overlay {OVERLAY.name} does not contain `{default.strip()}`: is operator.yaml up to date?")
        rendered = rendered.replace(default, f"{image}\n")
    path = to / INSTALL
    path.write_text(rendered)
    return path


def python_dists(to: Path) -> list[Path]:
    """Build the wheel and the sdist into a folder and return their paths. Raises ClusterError."""
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    with taking("building the wheel and the sdist", "5 s"):
        run([uv, "build", "--quiet", "--out-dir", str(to), str(ROOT)])
    (to / ".gitignore").unlink(missing_ok=True)
    return sorted([*to.glob("*.whl"), *to.glob(f"{NAME}-{version()}.tar.gz")])


def plugins(to: Path, *platforms: str) -> None:
    """Write the plugin for kubectl as one file for each platform, and what krew needs, into a folder. Raises ClusterError."""
    with taking("building kubectl rw", "20 s a platform the first time"):
        run([sys.executable, str(ROOT / "scripts/cli"), *platforms, "--to", str(to)])


def checksums(folder: Path) -> Path:
    """Write the SHA-256 of every file of a folder in the format of sha256sum and return the path."""
    path = folder / CHECKSUMS
    named = sorted(each for each in folder.iterdir() if each.is_file() and each != path)
    path.write_text("".join(f"{sha256(each)}  {each.name}\n" for each in named))
    return path


def check(folder: Path) -> None:
    """Compare the files of a folder with its checksums, as a user does. Raises ClusterError."""
    done = subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{folder / CHECKSUMS}: {done.stdout}{done.stderr}")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
