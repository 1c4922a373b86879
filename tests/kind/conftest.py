"""The operator on real kubelets, installed by helm, as users install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.buildah import has_buildah
from tests.chart.helm import NAMESPACE
from tests.cluster import Cluster, choose, lifecycle
from tests.cluster.kind import KindCluster, kind_unavailable
from tests.conftest import await_policies
from tests.kind.each_store import release_of_each
from tests.kind.installed import OFTEN, PAGE, PATIENT, PLAIN, Installed, claim_namespace
from tests.kind.released import Released, released
from tests.postgres import Door, Postgres, postgres_server
from tests.recipe_image import GIT, load_image
from tests.reporter_image import load_reporter_image
from tests.skipping import cannot_run

TEAM = "team"
"""A namespace with Runs, on the cluster that helm installs to."""

INSTALLATIONS = ("kind_operator", "reporting", "cloning", "advisor", "no_operator", "node", "fresh")
"""Fixtures of the installations, in the order in which their tests run: each change between them happens once."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests that need the same installation, in their own order; leave out the tests that --nodes=1 excludes."""
    if config.getoption("--nodes") == 1:
        away = [item for item in items if "second_node" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=away)
        items[:] = [item for item in items if item not in away]
    places = [place for place, item in enumerate(items) if Path(__file__).parent in item.path.parents]
    for place, item in zip(places, sorted((items[place] for place in places), key=_installation), strict=True):
        items[place] = item


def _installation(item: pytest.Item) -> int:
    """Return the position of a test's installation, 0 if it needs none."""
    used = getattr(item, "fixturenames", ())
    return max((place for place, name in enumerate(INSTALLATIONS, 1) if name in used), default=0)


@pytest.fixture(scope="package", autouse=True)
def kubelets(request: pytest.FixtureRequest) -> None:
    """Every test here needs real kubelets, which a machine may really lack."""
    if choose(request.config.getoption("--cluster")) == "api":
        cannot_run(f"needs real kubelets: {kind_unavailable() or '--cluster=api was given'}")


@pytest.fixture(scope="package")
def clusters() -> Iterator[ExitStack]:
    """The clusters of this worker that are to be ended, at the latest with the last test here."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="package")
def kind_cluster(request: pytest.FixtureRequest, clusters: ExitStack) -> Cluster:
    """Real kubelets: kind with the configured nodes, or the cluster of KUBECONFIG."""
    provider = choose(request.config.getoption("--cluster"))
    cluster = lifecycle.up(provider, nodes=request.config.getoption("--nodes"), garbage=True)
    clusters.callback(lifecycle.end, cluster)
    return cluster


@pytest.fixture(scope="package")
def second_node() -> None:
    """A second node to continue on: --nodes=1 deselects the test."""


@pytest.fixture(scope="package")
def release_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for helm's files and the values of releases."""
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="package")
def release(kind_cluster: Cluster, release_home: Path) -> Iterator[Installed]:
    """The release that watches every namespace and owns the cluster-wide objects; it is removed from a cluster that is not ours."""
    load_reporter_image(kind_cluster)
    claim_namespace(kind_cluster)
    installed = Installed(kind_cluster, release_home)
    installed.run_with(PATIENT, PLAIN)
    await_policies(kind_cluster)
    yield installed
    if kind_cluster.provider == "existing":
        installed.run_with(PATIENT, PLAIN, {"crds": {"keep": False}})
        installed.uninstall()
        kind_cluster.kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture(scope="module")
def kind_operator(release: Installed) -> Installed:
    """The operator without options, and the page."""
    release.run_with(PATIENT, PLAIN, PAGE)
    return release


@pytest.fixture(scope="module")
def reporting(release: Installed) -> Installed:
    """The operator, with reporters that beat every two seconds."""
    release.run_with(PATIENT, OFTEN)
    return release


@pytest.fixture(scope="module")
def cloning(release: Installed, kind_cluster: Cluster) -> Installed:
    """The operator with the image that clones and publishes, whose agents may reach this machine at the gateway."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a git server that pods reach: on nodes of our own they reach this machine's")
    repository, _, tag = load_image(kind_cluster, GIT).rpartition(":")
    allowed = {"agents": {"network": {"managed": True, "allow": [f"{kind_cluster.gateway()[0]}/32"]}}}
    release.run_with(PATIENT, OFTEN, {"git": {"image": {"repository": repository, "tag": tag}}}, allowed)
    return release


@pytest.fixture(scope="module")
def no_operator(release: Installed) -> None:
    """Everything is installed, while the operator is stopped: a module starts its own."""
    release.rest()


@pytest.fixture(scope="package")
def reachable_postgres(kind_cluster: Cluster) -> Iterator[Postgres]:
    """A PostgreSQL server of this machine that accepts connections from pods, with a password."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a database that pods reach: on nodes of our own they reach this machine's")
    with postgres_server(Door.on(*kind_cluster.gateway())) as server:
        yield server


@pytest.fixture(scope="package")
def store_releases(
    request: pytest.FixtureRequest, kind_cluster: Cluster, release: Installed, release_home: Path
) -> Iterator[dict[str, Installed]]:
    """Releases by their stores, each with a namespace of its name; the one that watches every namespace is stopped meanwhile."""
    ours = isinstance(kind_cluster, KindCluster)
    database = request.getfixturevalue("reachable_postgres").database() if ours else None
    with release_of_each(kind_cluster, release_home, database) as made:
        yield made


@pytest.fixture(scope="package")
def fresh(request: pytest.FixtureRequest, clusters: ExitStack) -> Cluster:
    """A new cluster without runwatchman, but with its image. Its tests come last, so the cluster of the others ends now."""
    provider = choose(request.config.getoption("--cluster"))
    if provider != "kind":
        cannot_run(f"installs what is cluster-wide, so only on a cluster of its own: {kind_unavailable() or provider}")
    cluster = lifecycle.up("kind", garbage=True)  # before the other's end, with which a private engine would end, too
    before = clusters.pop_all()
    clusters.callback(lifecycle.end, cluster)
    before.close()
    load_reporter_image(cluster)
    for name in (NAMESPACE, TEAM):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    return cluster


@pytest.fixture(scope="package")
def release_of(fresh: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """A release of this tree in a registry that the new cluster's nodes reach."""
    assert isinstance(fresh, KindCluster)
    if not has_buildah():
        cannot_run("needs buildah, which makes the archives and the index of a release's images: run as root on Debian")
    with released(fresh, tmp_path_factory.mktemp("release")) as made:
        yield made
