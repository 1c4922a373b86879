"""Versions and paths of the clusters for tests; Kubernetes' own versions are in releases.py."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

KIND = "0.33.0"
KWOK = "0.7.0"
CNI_PLUGINS = "1.5.1"
HELM = "4.3.1"
KUBECONFORM = "0.7.0"
COSIGN = "3.1.3"
SYFT = "1.57.1"
KREW = "0.4.3"
KUEUE = "0.17.0"

HERE = Path(__file__).parent
DOWNLOAD_URL = os.environ.get("RUNWATCHMAN_DOWNLOAD_URL", "https://dl.k8s.io/release")
"""The first place for official releases; a test sets it to a loopback file server."""


def architecture() -> str:
    """Return this machine's architecture, as Go and the official releases name it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def cache_dir() -> Path:
    """Return the folder of built and downloaded binaries, which is kept between runs."""
    root = os.environ.get("RUNWATCHMAN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runwatchman"
    path = Path(root).absolute()  # go takes no other for its own
    path.mkdir(parents=True, exist_ok=True)
    return path


def runtime_dir() -> Path:
    """Return the folder for the files of running clusters, with one folder each."""
    path = Path(tempfile.gettempdir()) / f"runwatchman-clusters-{os.getuid()}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
