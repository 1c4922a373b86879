"""Which worker gets which tests, by xdist's own scheduler."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.sharing import OneKindCluster

WORKERS = 3
COLLECTION = [
    *(f"tests/unit/test_many.py::test_{number}" for number in range(9)),
    *(f"tests/api/test_some.py::test_{number}" for number in range(5)),
    *(f"tests/kind/test_{file}.py::test_{number}" for file in "ab" for number in range(2)),
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
    scheduler: Any = OneKindCluster(config)
    workers = [Worker() for _ in range(WORKERS)]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, COLLECTION)
    scheduler.schedule()
    return workers


def test_one_worker_begins_with_all_that_needs_kubelets() -> None:
    """The tests of tests/kind begin first, on one worker, although another file has more; the others get whole files."""
    kubelets, *others = scheduled()
    assert [name for name in COLLECTION if name.startswith("tests/kind")] == kubelets.given
    assert [{name.partition("::")[0] for name in worker.given} for worker in others] == [
        {"tests/unit/test_many.py"},
        {"tests/api/test_some.py"},
    ]
