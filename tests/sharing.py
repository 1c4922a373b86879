"""The distribution of tests to the workers of `pytest -n`: by files, with all kubelet tests on one worker.

A second kind cluster costs more than it saves: its nodes share the same cores. The tests that need kubelets take longest, and wait
more than they compute, so they begin first, and the other workers use what they leave of the cores.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

KUBELETS = "tests/kind"


class OneKindCluster(LoadFileScheduling):
    """Gives whole files to a free worker, and first of all those of tests/kind to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return KUBELETS if nodeid.startswith(KUBELETS) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if KUBELETS in self.workqueue:  # the base class begins with the most tests
            self.workqueue.move_to_end(KUBELETS, last=False)
        super()._assign_work_unit(node)
