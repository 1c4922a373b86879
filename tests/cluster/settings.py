"""Versions and paths of the clusters for tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

KUBERNETES = "1.34.4"
ETCD = "3.6.5"
KIND = "0.33.0"
KWOK = "0.7.0"
OFFICIAL_NODE_IMAGE = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"
"""The image for this release of kind."""
CNI_PLUGINS = "1.5.1"
HELM = "4.3.1"
KUBECONFORM = "0.7.0"

HERE = Path(__file__).parent
DOWNLOAD_URL = os.environ.get("RUNWARDEN_DOWNLOAD_URL", "https://dl.k8s.io/release")
"""The first place for official releases; a test sets it to a loopback file server."""


def cache_dir() -> Path:
    """Return the folder of built and downloaded binaries, which is kept between runs."""
    root = os.environ.get("RUNWARDEN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "runwarden"
    path = Path(root)
    path.mkdir(parents=True, exist_ok=True)
    return path


def runtime_dir() -> Path:
    """Return the folder for the files of running clusters, with one folder each."""
    path = Path(tempfile.gettempdir()) / f"runwarden-clusters-{os.getuid()}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
