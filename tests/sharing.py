"""The distribution of tests to the workers of `pytest -n`: by files, with all that share a kind cluster on one worker.

A kind cluster for each worker would cost more than it saves: all nodes share the same cores. The tests that need kubelets take
longest, and wait more than they compute, so they begin first, and the other workers use what they leave of the cores. The tests
that need an API server follow, and those without a cluster come last: a cluster ends when its worker has no more tests for it,
because an idle one takes a tenth of a core. Most of the last files are short, so the workers end together.

Workers beyond the third begin with the tests that need no cluster: they use the cores while the others wait, and add no API server.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

KUBELETS, INSTALLING = "tests/kind", "tests/kind on a cluster without runwatchman"
"""The tests of each of the two kind clusters."""
API_SERVER = "tests/api/"
"""The folder of the files that need an API server."""
INSTALLERS = tuple(
    f"{KUBELETS}/test_{name}.py" for name in ("advisor_sidecar", "failover", "helm", "install_docs", "life", "release")
)
"""The files whose tests install to a cluster of their own, `fresh`."""
BUILDERS = (
    f"{KUBELETS}/test_image.py::test_the_same_twice",
    f"{KUBELETS}/test_image_index.py::test_one_index_for_two_architectures",
)
"""Tests beside them that only build images: another worker takes them, after the first tests have built what all share."""
BUILDING = f"{KUBELETS} without a cluster"
TURNS = (KUBELETS, INSTALLING, API_SERVER, BUILDING)
"""The order in which tests are given away; all others follow."""
WITH_CLUSTERS = 3
"""The workers that begin with the tests that need clusters: one for each kind cluster, and one for the API server's."""


class SharedKindClusters(LoadFileScheduling):
    """Gives whole files to a free worker: first those of each kind cluster to one worker, then those that need an API server.
    Workers beyond these take the others first.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if nodeid in BUILDERS:
            return BUILDING
        if file in INSTALLERS:
            return INSTALLING
        return KUBELETS if file.startswith(KUBELETS) else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        turn = _turn if self.nodes.index(node) < WITH_CLUSTERS else _turn_without_clusters
        self.workqueue.move_to_end(min(self.workqueue, key=turn), last=False)  # of equal ones the first, which has the most tests
        super()._assign_work_unit(node)


def _turn(scope: str) -> int:
    """Return the turn of files: those of the kind clusters, those that need an API server, builders of images, all others."""
    folder = API_SERVER if scope.startswith(API_SERVER) else scope
    return TURNS.index(folder) if folder in TURNS else len(TURNS)


def _turn_without_clusters(scope: str) -> int:
    """Return the turn of files for a worker that begins with those that need no cluster."""
    return -_turn(scope)
