"""The setting for the version of Kubernetes, and what follows from it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cluster import kind_config, settings
from tests.cluster.binaries import bin_dir
from tests.cluster.gobuild.modules import SUMS, go_mod
from tests.cluster.images import image_of
from tests.cluster.progress import ClusterError
from tests.cluster.releases import DEFAULT, RELEASES, SETTING, Release, release

OLDEST, NEWEST = RELEASES[0], RELEASES[-1]
ROOT = settings.HERE.parent.parent
KUBERNETES_GO_MOD = """\
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require k8s.io/api v0.0.0

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/kubelet => ./staging/src/k8s.io/kubelet
)
"""


@pytest.mark.parametrize("each", RELEASES, ids=lambda each: each.minor)
def test_a_version_by_its_minor_or_in_full(each: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms name the release."""
    for given in (each.minor, each.kubernetes):
        monkeypatch.setenv(SETTING, given)
        assert release() == each


def test_without_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset and empty mean the default."""
    monkeypatch.setenv(SETTING, "")
    assert release().minor == DEFAULT
    monkeypatch.delenv(SETTING)
    assert release().minor == DEFAULT


@pytest.mark.parametrize("given", ["1.32", "1.34.5", "v1.34", "newest"])
def test_an_unsupported_version(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting, the value and the choices."""
    monkeypatch.setenv(SETTING, given)
    with pytest.raises(ClusterError) as raised:
        release()
    assert f"{SETTING}={given} " in str(raised.value)
    assert all(f"{each.minor} ({each.kubernetes})" in str(raised.value) for each in RELEASES)


def test_pytest_refuses_an_unsupported_version_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test run ends with the one line of the error before it collects anything."""
    monkeypatch.setenv(SETTING, "1.32")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", __file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.strip().startswith(f"ERROR: {SETTING}=1.32 is no version")


def test_versions_stand_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kubernetes' programs and etcd have a folder of the cache for each version; programs that do not depend on it are shared."""
    monkeypatch.setenv("RUNWATCHMAN_CACHE", str(tmp_path))
    folders = []
    for each in (OLDEST, NEWEST):
        monkeypatch.setenv(SETTING, each.minor)
        folders.append({name: bin_dir(name) for name in ("kubectl", "etcd", "kwok", "pause")})
    assert [name for name in folders[0] if folders[0][name] != folders[1][name]] == ["kubectl", "etcd"]


@pytest.mark.parametrize("each", RELEASES, ids=lambda each: each.minor)
def test_the_sources_are_pinned(each: Release) -> None:
    """The checksums of each release's Kubernetes and etcd are in the repository."""
    sums = SUMS.read_text().splitlines()
    for module in (f"k8s.io/kubernetes v{each.kubernetes} h1:", f"go.etcd.io/etcd/server/v3 v{each.etcd} h1:"):
        assert any(line.startswith(module) for line in sums), module


def test_the_docs_list_every_version() -> None:
    """The support table has one row for each release, with its etcd."""
    rows = re.findall(r"^\| (1\.\d+\.\d+) \| (\S+) \|", (ROOT / "docs/testing.md").read_text(), re.MULTILINE)
    assert rows == [(each.kubernetes, each.etcd) for each in RELEASES]


def test_a_module_that_builds_kubernetes() -> None:
    """It has Kubernetes' own `go` line, and replaces what Kubernetes takes from its repository by the published modules."""
    made = go_mod("k8s.io/kubernetes", "1.36.3", KUBERNETES_GO_MOD).splitlines()
    assert "go 1.26.0" in made
    assert "require k8s.io/kubernetes v1.36.3" in made
    assert [line for line in made if line.startswith("replace")] == [
        "replace k8s.io/api => k8s.io/api v0.36.3",
        "replace k8s.io/kubelet => k8s.io/kubelet v0.36.3",
    ]


def test_images_under_the_names_of_kubeadm() -> None:
    """Kubernetes' images have its version, etcd's and pause's their own."""
    given = Release("1.36.3", etcd="3.6.8", pause="3.10.2")
    assert [image_of(name, given) for name in ("kube-proxy", "etcd", "pause")] == [
        "registry.k8s.io/kube-proxy:v1.36.3",
        "registry.k8s.io/etcd:3.6.8-0",
        "registry.k8s.io/pause:3.10.2",
    ]


def test_no_patch_of_kinds_configuration_is_of_one_version() -> None:
    """Kind skips in silence a patch with another apiVersion than it writes, and it writes another from 1.36 on."""
    patches = [yaml.safe_load(patch) for patch in kind_config.config(1, {}, own=True, garbage=True)["kubeadmConfigPatches"]]
    assert {patch["kind"] for patch in patches} == {"ClusterConfiguration", "KubeletConfiguration", "InitConfiguration"}
    assert not any("apiVersion" in patch for patch in patches)
