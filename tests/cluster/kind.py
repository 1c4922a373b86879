"""kind, wherever it can run."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.base import Cluster
from tests.cluster.progress import ClusterError


def kind_unavailable() -> str:
    """Return why kind cannot run here, empty where it can."""
    return "not written yet"


def start_kind(name: str, directory: Path, *, nodes: int) -> Cluster:
    """Bring up a kind cluster."""
    raise ClusterError("not written yet")


def remove_kind(name: str, directory: Path) -> None:
    """End a kind cluster."""
