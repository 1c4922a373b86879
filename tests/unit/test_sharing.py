"""Which worker gets which tests, by xdist's own scheduler."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.sharing import INSTALLERS, KUBELETS, SharedKindClusters

ROOT = Path(__file__).parent.parent.parent
WORKERS = 3
COLLECTION = [
    *(f"tests/unit/test_many.py::test_{number}" for number in range(9)),
    *(f"tests/api/test_some.py::test_{number}" for number in range(5)),
    *(f"tests/kind/test_{file}.py::test_{number}" for file in ("agents", "helm", "life", "runs") for number in range(2)),
]


class Worker:
    """A worker that remembers the tests that it is given."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.given: list[str] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        """Take tests by their places in the collection."""
        self.given += [COLLECTION[index] for index in indices]

    def shutdown(self) -> None:
        """End when all that was given is done."""


def scheduled() -> list[Worker]:
    """Return the workers with what each is given at the start."""
    config: Any = SimpleNamespace(getvalue=lambda _: [f"{WORKERS}*popen"], option=SimpleNamespace(loadscopereorder=True))
    scheduler: Any = SharedKindClusters(config)
    workers = [Worker() for _ in range(WORKERS)]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, COLLECTION)
    scheduler.schedule()
    return workers


def test_the_tests_of_each_kind_cluster_begin_first_on_one_worker() -> None:
    """The tests of each cluster are on one worker, before all others, although another file has more tests."""
    kubelets, installing, other = ([*dict.fromkeys(name.partition("::")[0] for name in worker.given)] for worker in scheduled())
    assert kubelets == ["tests/kind/test_agents.py", "tests/kind/test_runs.py"]
    assert installing == ["tests/kind/test_helm.py", "tests/kind/test_life.py"]
    assert other == ["tests/unit/test_many.py"]


def test_the_list_of_installers_is_complete() -> None:
    """The files of which tests have the fixture `fresh` are those that are kept on one worker, and none has the other cluster."""
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / KUBELETS).glob("test_*.py")}
    assert sorted(name for name, text in texts.items() if "fresh: " in text) == sorted(INSTALLERS)
    assert [name for name in INSTALLERS if "kind_cluster" in texts[name]] == []
