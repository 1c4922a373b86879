"""Programs built from source through the Go module proxy, if no official release can be downloaded."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.cluster.gobuild.modules import requiring
from tests.cluster.gobuild.queueing import build_kueue
from tests.cluster.processes import run
from tests.cluster.progress import ClusterError, taking
from tests.cluster.releases import release
from tests.cluster.settings import CNI_PLUGINS, COSIGN, HELM, HERE, KIND, KREW, KUBECONFORM, KWOK, SYFT

GO_MINIMUM = (1, 21)
"""From this version on Go gets a newer one through the module proxy if a module needs it."""
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kubeadm",
    "kube-proxy",
)
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
INSTALLED = {
    "kind": f"sigs.k8s.io/kind@v{KIND}",
    "kwok": f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK}",
    "helm": f"helm.sh/helm/v4/cmd/helm@v{HELM}",
    "kubeconform": f"github.com/yannh/kubeconform/cmd/kubeconform@v{KUBECONFORM}",
    "cosign": f"github.com/sigstore/cosign/v3/cmd/cosign@v{COSIGN}",
    "syft": f"github.com/anchore/syft/cmd/syft@v{SYFT}",
    "krew": f"sigs.k8s.io/krew/cmd/krew@v{KREW}",
    "bridge": f"github.com/containernetworking/plugins/plugins/main/bridge@v{CNI_PLUGINS}",
    "ptp": f"github.com/containernetworking/plugins/plugins/main/ptp@v{CNI_PLUGINS}",
    "loopback": f"github.com/containernetworking/plugins/plugins/main/loopback@v{CNI_PLUGINS}",
    "host-local": f"github.com/containernetworking/plugins/plugins/ipam/host-local@v{CNI_PLUGINS}",
    "portmap": f"github.com/containernetworking/plugins/plugins/meta/portmap@v{CNI_PLUGINS}",
}
LARGE = ("cosign", "syft", "kueue")
OWN = ("pause", "runc-nosysres")
"""Programs of our own; their source is in tests/cluster/gobuild/own/."""
SMALL = ["-trimpath", "-ldflags", "-s -w"]


def build(names: list[str], target: Path) -> None:
    """Build programs into a folder, where each appears only when complete. Raises ClusterError."""
    if not names:
        return
    env = _environment()
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        made = Path(scratch)
        kubernetes = [name for name in names if name in KUBERNETES_PROGRAMS]
        if kubernetes:
            _kubernetes(kubernetes, made, env)
        for name in (name for name in names if name not in KUBERNETES_PROGRAMS):
            _other(name, made, env)
        for name in names:
            (made / name).rename(target / name)


def _environment() -> dict[str, str]:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise ClusterError(f"Go >= {'.'.join(map(str, GO_MINIMUM))} is needed to build Kubernetes here: install it, put it on PATH")
    version = tuple(int(part) for part in run([go, "env", "GOVERSION"]).strip().removeprefix("go").split(".")[:2])
    if version < GO_MINIMUM:
        raise ClusterError(f"Go {version} is too old to build Kubernetes {release().kubernetes}: install Go >= {GO_MINIMUM}")
    path = f"{Path(go).parent}:{os.environ['PATH']}"
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=mod -buildvcs=false", "PATH": path}


def _kubernetes(names: list[str], made: Path, env: dict[str, str]) -> None:
    """Build all at once: they share most of their packages."""
    version = release().kubernetes
    major, minor, _ = version.split(".")
    facts = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    flags = [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in facts.items()]
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in names]
    command = ["go", "build", "-trimpath", "-ldflags", " ".join(["-s -w", *flags]), "-o", f"{made}/", *packages]
    with taking(f"building {', '.join(names)} {version}", "5 min on 2 cores the first time"):
        folder = requiring("k8s.io/kubernetes", version, made / "module-kubernetes", env)
        run(command, cwd=folder, env=env)


def _other(name: str, made: Path, env: dict[str, str]) -> None:
    with taking(f"building {name}", "3 min on 2 cores" if name in LARGE else "under a minute"):
        if name == "etcd":
            folder = requiring("go.etcd.io/etcd/server/v3", release().etcd, made / "module-etcd", env)
            shutil.copy(HERE / "gobuild/etcd/main.go", folder)
            run(["go", "build", *SMALL, "-o", str(made / name), "."], cwd=folder, env=env)
        elif name == "kueue":
            build_kueue(made, env, *SMALL)
        elif name in OWN:
            run(["go", "build", *SMALL, "-o", str(made / name), f"./{name}"], cwd=HERE / "gobuild/own", env=env)
        else:
            run(["go", "install", *SMALL, INSTALLED[name]], env={**env, "GOBIN": str(made)})
