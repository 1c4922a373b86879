"""`make release-check`: a release as users get it: verified, installed from a registry by digest, up to a finished Run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.chart.helm import INSTALL_TIMEOUT, NAMESPACE, RELEASE, ROOT
from tests.cluster import Cluster
from tests.cluster.binaries import find
from tests.cluster.progress import ClusterError, say
from tests.kind.conftest import TEAM
from tests.kind.released import Released
from tests.kind.test_helm import on
from tests.release import signing, steps
from tests.release.chart import PINNED
from tests.release.files import CHECKSUMS, INSTALL
from tests.release.project import semver, version
from tests.release.sbom import packages
from tests.support import apply, await_phase, items, pods_of, run_of, shell

INSTALLED = """
import importlib.metadata, json, pathlib, re
name = lambda each: re.sub(r"[-_.]+", "-", each.name).lower()
python = {name(each): each.version for each in importlib.metadata.distributions()}
debian = dict(re.findall(r"^Package: (.+)\\n(?:.+\\n)*?Version: (.+)$", pathlib.Path("/var/lib/dpkg/status").read_text(), re.M))
print(json.dumps({"pypi": python, "deb": debian}))
"""
"""A program that lists the packages of the image that it runs in."""

COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON = "/opt/runwatchman/bin/python"
CRASHES_ONCE = '[ $RUNWATCHMAN_ATTEMPT -gt 0 ] || exit 1; rw done "shipped"'


def test_everything_published_is_signed(release_of: Released) -> None:
    """Signatures, provenance and SBOMs are valid for the image, the chart and the files."""
    assert steps.verify(release_of.folder, release_of.registry, release_of.signer) == release_of.published


def test_the_commands_of_the_page_verify_it(release_of: Released, tmp_path: Path) -> None:
    """docs/verify.md: each command succeeds in the folder of the files, with a key in place of the workflow's identity."""
    (tmp_path / "cosign").symlink_to(find(["cosign"])["cosign"])
    signer = " ".join(release_of.signer.verifies)
    env = os.environ | {"VERSION": semver(version()), "REGISTRY": release_of.registry.name, "SIGNER": signer}
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    script = "\n".join(COMMANDS.findall((ROOT / "docs/verify.md").read_text()))
    before = set(release_of.folder.iterdir())
    done = subprocess.run(["bash", "-euxc", script], env=env, cwd=release_of.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(": OK") == len(_lines(release_of.folder / CHECKSUMS))
    for path in set(release_of.folder.iterdir()) - before:
        assert signing.predicate_of(path.read_text())
        path.unlink()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_another_key_verifies_nothing(release_of: Released, tmp_path: Path) -> None:
    """A key that did not sign is refused, for the image as for the files."""
    other = signing.by_new_key(tmp_path)
    with pytest.raises(ClusterError):
        signing.verify(release_of.published.image, release_of.registry, other)
    with pytest.raises(ClusterError):
        signing.verify_file(release_of.folder / CHECKSUMS, other)


def test_the_sdist_has_no_tests(release_of: Released) -> None:
    """The archives for PyPI have the package and the texts, and no tests."""
    with tarfile.open(release_of.folder / f"{RELEASE}-{version()}.tar.gz") as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "controller/__init__.py"} <= inside
    assert not [name for name in inside if name.startswith("tests")]


@pytest.fixture
def empty(fresh: Cluster, tmp_path: Path) -> Cluster:
    """The cluster, without what another test has left installed: helm would take over its values."""
    on(fresh, tmp_path, "uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", INSTALL_TIMEOUT)
    return fresh


def test_from_the_registry_to_a_finished_run(empty: Cluster, release_of: Released, tmp_path: Path) -> None:
    """The chart is installed from the registry, the nodes pull the image by its digest, and a Run that crashes once completes.

    The SBOM names every package that is in the running container, with its version.
    """
    begun = time.monotonic()
    found = release_of.published
    words = ("--version", semver(version()), "--plain-http", "--wait", "--timeout", INSTALL_TIMEOUT)
    on(empty, tmp_path, "upgrade", "--install", RELEASE, found.chart_url, *words)
    apply(empty, TEAM, run_of("released", shell(CRASHES_ONCE)))
    assert (await_phase(empty, TEAM, "released", "Completed"))["restarts"] == 1
    say(f"from `helm install` to the first completed Run: {time.monotonic() - begun:.0f} s")

    digest = found.image.rpartition("@")[2]
    (operator,) = [each for each in items(empty, NAMESPACE, "pods") if "deletionTimestamp" not in each["metadata"]]
    reporters = [each["spec"]["initContainers"] for each in pods_of(empty, TEAM, "released-coder").values()]
    images = {each["image"] for each in [*operator["spec"]["containers"], *(one for each in reporters for one in each)]}
    assert {image.rpartition("@")[2] for image in images} == {digest}
    assert _pulled(empty, found.image), "the kubelet pulled the image from the registry"

    printed = empty.kubectl("-n", NAMESPACE, "exec", operator["metadata"]["name"], "--", PYTHON, "-c", INSTALLED)
    (reference,) = found.platforms.values()
    bill = signing.verify_attestation(reference, signing.SBOM, release_of.registry, release_of.signer)
    for kind, there in json.loads(printed).items():
        assert len(there) > 10
        assert {name: packages(bill, kind).get(name) for name in there} == there
    on(empty, tmp_path, "uninstall", RELEASE, "--wait", "--timeout", INSTALL_TIMEOUT)


def test_the_manifests_are_accepted(empty: Cluster, release_of: Released) -> None:
    """The API server accepts every object of install.yaml, which names its images by digest."""
    path = release_of.folder / INSTALL
    for name in PINNED:
        assert path.read_text().count(f"@{release_of.published.images[name].reference.rpartition('@')[2]}") == 1
    accepted = empty.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(path))
    assert "deployment.apps/runwatchman serverside-applied" in accepted


def _pulled(cluster: Cluster, image: str) -> list[str]:
    """Return the kubelets' messages about pulls of an image by its digest."""
    digest = image.rpartition("@")[2]
    messages = [each["message"] for each in items(cluster, NAMESPACE, "events") if each["reason"] == "Pulled"]
    return [each for each in messages if each.startswith("Successfully pulled") and digest in each]
