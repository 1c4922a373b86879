"""What the workers of `pytest -n` share out: files, and everything that needs kubelets as one piece.

A second kind cluster costs more than it saves: its nodes' work is done by the same cores.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

KUBELETS = "tests/kind"


class OneKindCluster(LoadFileScheduling):
    """Whole files to whoever is free, and those of tests/kind to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return KUBELETS if nodeid.startswith(KUBELETS) else nodeid.partition("::")[0]
