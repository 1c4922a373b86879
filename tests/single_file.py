"""The single file of `kubectl rw`, built for this machine, and a Python without any package to run it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
HERE = f"{sys.platform.replace('win32', 'windows')}-{ARCHITECTURES[platform.machine()]}"
"""This machine's platform."""

BARE_PYTHON = (getattr(sys, "_base_executable", sys.executable), "-I", "-S")
"""The interpreter of this environment without the environment: the standard library, no site-packages, no PYTHON* variables."""

RUN_SECONDS = 120.0


def build(folder: Path, *platforms: str) -> Path:
    """Build the files of the platforms as `make cli` does, and return the first as `kubectl-rw`."""
    subprocess.run([sys.executable, ROOT / "scripts/cli", *platforms, "--to", folder], check=True, capture_output=True)
    program = folder / "kubectl-rw"
    program.symlink_to(f"kubectl-rw-{platforms[0]}")
    return program


def run(
    program: Path, cache: Path, *args: str, python: Sequence[str] = BARE_PYTHON, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the file by a bare Python, with an environment of its own."""
    variables = {"PATH": os.defpath, "HOME": "/nonexistent", "XDG_CACHE_HOME": str(cache)} | env
    command = [*python, str(program), *args]
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=RUN_SECONDS)
