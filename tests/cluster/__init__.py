"""Real clusters for tests and the demo. `python -m tests.cluster up` brings one up; see docs/testing.md."""

from tests.cluster.base import IN_TIME, Cluster
from tests.cluster.lifecycle import choose, down, up
from tests.cluster.progress import ClusterError

__all__ = ["IN_TIME", "Cluster", "ClusterError", "choose", "down", "up"]
