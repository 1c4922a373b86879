"""The reporter's image for tests: the users' image (tests/image.py), loaded on a cluster's nodes."""

from __future__ import annotations

from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.progress import taking
from tests.image import IMAGE, archive

_LOADED: set[str] = set()
"""Clusters of this process that have the image."""


def load_reporter_image(cluster: Cluster) -> str:
    """Load the image on a cluster's nodes, building it if necessary; a foreign cluster has to have it."""
    if isinstance(cluster, KindCluster) and cluster.name not in _LOADED:
        path = archive()
        with taking("loading the image", "10 s"):
            cluster.load(path)
        _LOADED.add(cluster.name)
    return IMAGE
