"""A failing test leaves its cluster's logs, for any fixture that provides the cluster; a passing test leaves none."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from tests.conftest import pytest_runtest_makereport

class Fake:
    def export_logs(self, to, *namespaces):
        to.mkdir(parents=True)
        (to / "namespaces").write_text(" ".join(namespaces))

@pytest.fixture(scope="session")
def kind_cluster():
    return Fake()

@pytest.fixture(scope="module")
def release(kind_cluster):
    return kind_cluster

@pytest.fixture
def namespace():
    return "t-1"

@pytest.fixture
def broken(release):
    raise RuntimeError("the set-up fails")
"""
TESTS = """
def test_fails(release, namespace):
    assert False

def test_fails_in_its_setup(broken):
    pass

def test_passes(release):
    pass
"""


def test_logs_are_kept_of_what_fails(pytester: pytest.Pytester) -> None:
    """A failure of the test and one of its set-up each export the indirectly requested cluster, with their namespaces."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    pytester.runpytest("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(failed=1, errors=1, passed=1)
    kept = {path.parts[-3]: path.read_text() for path in pytester.path.glob("artifacts/*/kind_cluster/namespaces")}
    assert kept == {"test_fails": "runwatchman t-1", "test_fails_in_its_setup": "runwatchman"}
