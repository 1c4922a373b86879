"""The distribution of tests to the workers of `pytest -n`: by files, with all that share a kind cluster on one worker.

A kind cluster for each worker would cost more than it saves: all nodes share the same cores. The tests that need kubelets take
longest, and wait more than they compute, so they begin first, and the other workers use what they leave of the cores.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

KUBELETS, INSTALLING = "tests/kind", "tests/kind on a cluster without runwatchman"
"""The tests of each of the two kind clusters."""
INSTALLERS = tuple(
    f"{KUBELETS}/test_{name}.py" for name in ("advisor_sidecar", "failover", "helm", "install_docs", "life", "release")
)
"""The files whose tests install to a cluster of their own, `fresh`."""


class SharedKindClusters(LoadFileScheduling):
    """Gives whole files to a free worker, and first of all those of each kind cluster to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file in INSTALLERS:
            return INSTALLING
        return KUBELETS if file.startswith(KUBELETS) else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        for scope in (INSTALLING, KUBELETS):
            if scope in self.workqueue:  # the base class begins with the most tests
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)
