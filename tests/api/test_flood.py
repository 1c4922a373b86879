"""Every open port of the operator under a flood: the operator keeps its Lease, works, and reports its health."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator

import pytest

from tests import users
from tests.cluster import Cluster
from tests.flood import flooded
from tests.support import OperatorProcess, apply, await_phase, await_that, get, run_of

CONNECTIONS = 3000
"""The number of connections that made b8c69b7 lose its Lease."""
SECONDS = 16.0
"""Longer than an operator may go without a renewal (10), and than its Lease lasts (15)."""
SHIPPED_LEASE = ("--lease-duration", "15", "--lease-renew-deadline", "10", "--lease-retry-period", "2")
PLAIN_KINDS, SECURE_KINDS = ("silent", "slow", "asking", "nonsense"), ("silent", "slow", "handshakes")
REVIEWS = re.compile(r'runwatchman_api_requests_total\{code="201",resource="tokenreviews",verb="POST"\} (\S+)')
HOME = "flooded"
"""The namespace, which the module's one operator watches, and the name of its Lease."""


@pytest.fixture(scope="module", autouse=True)
def home(api_cluster: Cluster) -> Iterator[None]:
    """The namespace."""
    api_cluster.kubectl("create", "namespace", HOME)
    yield
    api_cluster.kubectl("delete", "namespace", HOME, "--wait=false")


@pytest.fixture(scope="module")
def operator(api_cluster: Cluster) -> Iterator[OperatorProcess]:
    """An operator with the chart's Lease, whose metrics are secured as in a pod. It has to survive all floods."""
    told = ("--namespace", HOME, "--lease-name", HOME, "--metrics-secure", *SHIPPED_LEASE)
    with OperatorProcess(api_cluster, *told) as started:
        yield started


@pytest.fixture(scope="module")
def reader(api_cluster: Cluster) -> Iterator[str]:
    """The token of an account that may read metrics."""
    api_cluster.kubectl("-n", HOME, "create", "serviceaccount", "prometheus")
    name, subject = f"reads-{HOME}", f"--serviceaccount={HOME}:prometheus"
    api_cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole=runwatchman-metrics-reader", subject)
    yield users.token(api_cluster, HOME, "prometheus")
    api_cluster.kubectl("delete", "clusterrolebinding", name)


def lease(cluster: Cluster) -> tuple[str, int, str]:
    """Return the Lease's holder, its number of transitions, and the time of its last renewal."""
    spec = get(cluster, "default", "lease", HOME)["spec"]
    return spec["holderIdentity"], spec.get("leaseTransitions", 0), spec["renewTime"]


@pytest.mark.parametrize(
    ("endpoint", "kind"), [*(("health", kind) for kind in PLAIN_KINDS), *(("metrics", kind) for kind in SECURE_KINDS)]
)
def test_a_flood_costs_neither_lease_nor_work_nor_probes(
    api_cluster: Cluster, operator: OperatorProcess, reader: str, endpoint: str, kind: str
) -> None:
    """While thousands of connections are held, used or written to slowly, the same holder keeps renewing the Lease.

    Meanwhile a Run completes, probes are answered, and /metrics is available to its reader, at the latest after the flood.
    """
    before = lease(api_cluster)
    renewed = {before[2]}

    def over() -> bool:
        await_that(lambda: operator.probe("health", "livez")[0] == 200, "an answer of /livez")
        await_that(lambda: operator.probe("health", "readyz")[0] == 200, "an answer of /readyz")
        at = lease(api_cluster)
        assert at[:2] == before[:2]
        renewed.add(at[2])
        return attacker.poll() is not None

    with flooded(operator.port(endpoint), kind, CONNECTIONS, SECONDS) as attacker:
        apply(api_cluster, HOME, run_of(f"works-{endpoint}-{kind}"))
        await_that(over, "the end of the flood")
        assert len(renewed) > 3
        await_phase(api_cluster, HOME, f"works-{endpoint}-{kind}", "Completed")
    assert not operator.ended()
    await_that(lambda: operator.probe("metrics", "metrics", reader)[0] == 200, "/metrics after the flood")
    assert lease(api_cluster)[:2] == before[:2]


def test_scrapes_are_one_review(operator: OperatorProcess, reader: str) -> None:
    """Any number of scrapes by one permitted reader cause one review per interval."""
    made = []
    for _ in range(50):
        code, text = operator.probe("metrics", "metrics", reader)
        assert code == 200
        made += REVIEWS.findall(text)
    assert float(made[-1]) >= 1.0
    assert float(made[-1]) - float(made[0]) <= 1.0  # the second review, if fifty took longer than the cache's time


def test_files_are_left_for_the_operator() -> None:
    """The ports' places together are far fewer than a process's default limit of open files."""
    from controller.observability.server import Bounds
    from controller.runtime.scraping import SCRAPERS

    usual = min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    assert Bounds().connections + SCRAPERS.connections < usual / 4
