"""The image of the reporter for tests: what users get (tests/image.py), known to a cluster's nodes."""

from __future__ import annotations

from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.progress import taking
from tests.image import IMAGE, archive

_LOADED: set[str] = set()
"""Clusters of this process that know the image."""


def load_reporter_image(cluster: Cluster) -> str:
    """Make the image known to a cluster's nodes, building it where it must; a cluster that is not ours has to have it."""
    if isinstance(cluster, KindCluster) and cluster.name not in _LOADED:
        path = archive()
        with taking("loading the image", "10 s"):
            cluster.load(path)
        _LOADED.add(cluster.name)
    return IMAGE
