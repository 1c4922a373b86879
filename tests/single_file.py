"""The single file of `kubectl rw`, built for this machine, and a Python without any package to run it."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.image import kept, sources
from tests.release.files import plugins

ROOT = Path(__file__).parents[1]
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
HERE = f"{sys.platform.replace('win32', 'windows')}-{ARCHITECTURES[platform.machine()]}"
"""This machine's platform."""

BARE_PYTHON = (getattr(sys, "_base_executable", sys.executable), "-I", "-S")
"""The interpreter of this environment without the environment: the standard library, no site-packages, no PYTHON* variables."""

RUN_SECONDS = 120.0


def build(folder: Path) -> Path:
    """Write what `make cli` builds for this machine into a folder, and return the file as `kubectl-rw`."""
    write(folder)
    program = folder / "kubectl-rw"
    program.symlink_to(f"kubectl-rw-{HERE}")
    return program


def write(folder: Path) -> None:
    """Write what `make cli` builds for this machine into a folder."""
    with tarfile.open(kept(f"plugin-{_digest()}.tar", _build, "building kubectl rw", "20 s after a change")) as archive:
        archive.extractall(folder, filter="data")


def _build(path: Path) -> None:
    """Build as a release does, into an archive."""
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(path, "w") as archive:
        plugins(Path(scratch), HERE)
        archive.add(scratch, ".")


def _digest() -> str:
    """Return a digest of all that the file is made of. Its compression takes 20 s of CPU, so that it is made once for each."""
    digest = hashlib.sha256(HERE.encode())
    for each in sources(
        "LICENSE", "README.md", "pyproject.toml", "uv.lock", "scripts/cli", "scripts/wheel_package.py", "controller"
    ):
        digest.update(str(each.relative_to(ROOT)).encode() + each.read_bytes())
    return digest.hexdigest()[:12]


def run(
    program: Path, cache: Path, *args: str, python: Sequence[str] = BARE_PYTHON, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the file by a bare Python, with an environment of its own."""
    variables = {"PATH": os.defpath, "HOME": "/nonexistent", "XDG_CACHE_HOME": str(cache)} | env
    command = [*python, str(program), *args]
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=RUN_SECONDS)
