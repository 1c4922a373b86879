"""A cluster that somebody else runs: the one of KUBECONFIG."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cluster.base import Cluster
from tests.cluster.binaries import find
from tests.cluster.progress import ClusterError


def existing_cluster() -> Cluster:
    """Return the cluster that KUBECONFIG names. Raises ClusterError if it names none."""
    path = os.environ.get("KUBECONFIG", "")
    if not path or not Path(path).exists():
        raise ClusterError("--cluster=existing takes the cluster from KUBECONFIG: set it to a kubeconfig that exists")
    kubeconfig = Path(path)
    return Cluster("existing", "existing", kubeconfig.parent, kubeconfig, find(["kubectl"])["kubectl"])
