"""Clusters for tests: created when the first test needs one, ended with the session, their logs kept after a failed test."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.remote import Producer

from tests.chart.helm import NAMESPACE
from tests.cluster import Cluster, ClusterError, lifecycle
from tests.cluster.releases import release
from tests.postgres import Postgres, postgres_server
from tests.sharing import SharedKindClusters
from tests.support import await_that

ARTIFACTS = Path("artifacts")
CLUSTERS = ("api_cluster", "kind_cluster", "fresh")
"""Fixtures whose logs are kept when a test that used them fails, directly or indirectly."""
ROOT = Path(__file__).parent.parent

settings.register_profile("runwatchman", deadline=None, print_blob=True)
settings.load_profile("runwatchman")
"""Machines are shared: the duration of an example proves nothing."""


_configure = structlog.configure


def _configure_uncached(**options: Any) -> None:
    """Configure loggers that are not cached: a cached one would evade the capture of a later test."""
    _configure(**options | {"cache_logger_on_first_use": False})


structlog.configure = _configure_uncached  # type: ignore[assignment]  # every caller names its options


@pytest.fixture(autouse=True)
def default_loggers() -> Iterator[None]:
    """Undo what a test does to the configuration of loggers."""
    yield
    structlog.reset_defaults()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster", default="auto", choices=lifecycle.PROVIDERS, help="where tests/kind run: auto takes kind if it can"
    )
    parser.addoption("--nodes", default=2, type=int, choices=(1, 2), help="nodes of kind; one deselects what needs two")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown version of Kubernetes, and to share one existing cluster: each worker runs an operator of its own that
    watches all of it.
    """
    try:
        release()
    except ClusterError as error:
        raise pytest.UsageError(str(error)) from error
    if config.getoption("--cluster") == "existing" and config.getoption("numprocesses", None):
        raise pytest.UsageError("--cluster=existing is one cluster, and each of -n's workers needs one of its own: leave out -n")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedKindClusters:
    """Distribute the tests by the rules in tests/sharing.py."""
    return SharedKindClusters(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder."""
    for item in items:
        if item.path.parent.name in ("api", "kind"):
            item.add_marker(item.path.parent.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep the logs of the cluster that a failing test used."""
    report = yield
    if report is not None and report.failed:
        for name in CLUSTERS:
            cluster = getattr(item, "funcargs", {}).get(name)
            if cluster is not None:
                cluster.export_logs(ARTIFACTS / item.name / name, *_namespaces(item))
    return report


def _namespaces(item: pytest.Item) -> list[str]:
    """Return the namespaces of a test's objects: the release's, and its own or its module's."""
    given = getattr(item, "funcargs", {})
    return [NAMESPACE, *(str(own) for own in (given.get("namespace"), getattr(given.get("stage"), "namespace", None)) if own)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server."""
    with postgres_server() as server:
        yield server


def install(cluster: Cluster) -> None:
    """Install the CRDs as `make generate` wrote them, the roles and the admission policies, and wait until they are in force."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    # kubectl fails on a CRD without a condition, which a new one on a busy machine is for a moment.
    established = ("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
    await_that(lambda: "error" not in cluster.kubectl(*established, check=False).lower(), "the CRDs to be established")
    for part in ("rbac", "admission"):
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests" / part))
    await_policies(cluster)


def await_policies(cluster: Cluster) -> None:
    """Wait until the admission policies are in force."""
    await_that(lambda: "runwatchman-responses" in _forge(cluster), "the admission policies to be in force")


def _forge(cluster: Cluster) -> str:
    """Return the refusal of an escalation that is created with an answer: no user may create one, and the last policy refuses
    it.
    """
    response = {"decision": "Wait", "by": "nobody"}
    forged = {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Escalation", "metadata": {"name": "forged"}}
    forged["spec"] = {"runName": "r", "runUID": "u", "type": "Blocked", "summary": "s", "response": response}
    return cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(forged), check=False)


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own on the cluster that it uses, deleted afterwards."""
    cluster = request.getfixturevalue("kind_cluster" if "kind_cluster" in request.fixturenames else "api_cluster")
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.create_namespace(name)
    yield name
    cluster.delete_namespace(name)
