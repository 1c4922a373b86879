"""The distribution of tests to the workers of `pytest -n`: by files, with all kubelet tests on one worker.

A second kind cluster costs more than it saves: its nodes share the same cores.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

KUBELETS = "tests/kind"


class OneKindCluster(LoadFileScheduling):
    """Gives whole files to a free worker, and those of tests/kind to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return KUBELETS if nodeid.startswith(KUBELETS) else nodeid.partition("::")[0]
