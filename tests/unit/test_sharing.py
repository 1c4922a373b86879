"""Which worker gets which tests, by xdist's own scheduler."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sharing import BUILDERS, INSTALLERS, KUBELETS, SharedKindClusters

ROOT = Path(__file__).parent.parent.parent
COLLECTION = [
    *(f"tests/unit/test_many.py::test_{number}" for number in range(9)),
    *(f"tests/api/test_some.py::test_{number}" for number in range(5)),
    *(f"tests/unit/test_few.py::test_{number}" for number in range(3)),
    "tests/api/test_one.py::test_0",
    *BUILDERS,
    *(f"tests/kind/test_{file}.py::test_{number}" for file in ("agents", "helm", "life", "runs") for number in range(2)),
]


class Worker:
    """A worker that remembers the tests that it is given."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        """Take tests by their places in the collection."""
        self.given += indices

    def files(self) -> list[str]:
        """Return the files of the tests, in their order."""
        return [*dict.fromkeys(COLLECTION[index].partition("::")[0] for index in self.given)]

    def shutdown(self) -> None:
        """End when all that was given is done."""


def scheduled(count: int) -> tuple[list[Worker], Any]:
    """Return the workers with what each is given at the start, and their scheduler."""
    config: Any = SimpleNamespace(getvalue=lambda _: [f"{count}*popen"], option=SimpleNamespace(loadscopereorder=True))
    scheduler: Any = SharedKindClusters(config)
    workers = [Worker() for _ in range(count)]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, COLLECTION)
    scheduler.schedule()
    return workers, scheduler


def test_the_tests_of_each_kind_cluster_begin_first_on_one_worker() -> None:
    """The tests of each cluster are on one worker, before all others, although another file has more tests."""
    kubelets, installing, other = scheduled(3)[0]
    assert kubelets.files() == ["tests/kind/test_agents.py", "tests/kind/test_runs.py"]
    assert installing.files() == ["tests/kind/test_helm.py", "tests/kind/test_life.py"]
    assert other.files()[:1] == ["tests/api/test_some.py"]


def test_the_fourth_worker_begins_without_a_cluster() -> None:
    """It fills the cores while the others wait, and an API server of its own would cost more than that."""
    *others, fourth = scheduled(4)[0]
    assert fourth.files()[0] == "tests/unit/test_many.py"
    assert [worker.files()[0] for worker in others] == [
        "tests/kind/test_agents.py",
        "tests/kind/test_helm.py",
        "tests/api/test_some.py",
    ]


def test_the_tests_that_need_an_api_server_come_before_those_that_need_nothing() -> None:
    """A cluster ends with the last test that needs it, so a worker gets all of its tests in a row."""
    (worker,), scheduler = scheduled(1)
    for done in range(len(COLLECTION)):
        scheduler.mark_test_complete(worker, worker.given[done])
    kinds = [key for key, _ in groupby(worker.files(), lambda file: str(Path(file).parent))]
    assert kinds == ["tests/kind", "tests/api", "tests/kind", "tests/unit"]
    assert [COLLECTION[index] for index in worker.given if COLLECTION[index] in BUILDERS] == [*BUILDERS]
    assert len(worker.given) == len(COLLECTION)


@pytest.mark.parametrize("name", BUILDERS)
def test_builders_need_no_cluster(name: str) -> None:
    """Each exists, and takes no fixture but a folder of its own."""
    file, _, test = name.partition("::")
    found = re.search(rf"^def {test}\((.*?)\) -> None:", (ROOT / file).read_text(), re.MULTILINE)
    assert found
    assert found[1] in ("", "tmp_path: Path")


def test_the_list_of_installers_is_complete() -> None:
    """The files of which tests have the fixture `fresh` are those that are kept on one worker, and none has the other cluster."""
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / KUBELETS).glob("test_*.py")}
    assert sorted(name for name, text in texts.items() if "fresh: " in text) == sorted(INSTALLERS)
    assert [name for name in INSTALLERS if "kind_cluster" in texts[name]] == []
