"""kind's node image if no registry serves the official one: Debian, Kubernetes' own programs, kind's own files, our images.

It is a replacement for kindest/node, not the official image. kind's entrypoint and unit files come from its Go module at build
time.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import dockerd
from tests.cluster.binaries import find
from tests.cluster.gobuild import KUBERNETES_PROGRAMS
from tests.cluster.images import build_images
from tests.cluster.processes import run, wait_until
from tests.cluster.progress import locked, taking
from tests.cluster.releases import release
from tests.cluster.settings import HERE, KIND, cache_dir

CNI = ["bridge", "ptp", "loopback", "host-local", "portmap"]
PROGRAMS = [*KUBERNETES_PROGRAMS, "etcd", "kind", "pause", "runc-nosysres", *CNI]
PACKAGES = (
    "systemd,systemd-sysv,containerd,runc,iptables,nftables,conntrack,socat,ethtool,iproute2,kmod,util-linux,mount,jq,"
    "hostname,procps,curl,libseccomp2,ca-certificates,pigz"
)
SUITE = "bookworm"
OWN_NAME = "kindest/node:runwatchman-"
RECIPE = (HERE / "nodebuild.py", HERE / "images.py", HERE / "node-setup.sh")


def own_image(env: dict[str, str]) -> str:
    """Return the name of our own node image, building or loading it if the engine lacks it. Raises ClusterError."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in RECIPE) + f"{release()}{KIND}".encode()).hexdigest()[:12]
    name = f"{OWN_NAME}{digest}"
    if has_image(name, env):
        return name
    archive = cache_dir() / f"node-{digest}.tar.zst"
    with locked(cache_dir() / ".node.lock"):
        if archive.exists():
            with taking("loading the node image", "10 s"):
                _shell(f"zstd -qdc '{archive}' | docker load -q", env)
        else:
            _build(name, archive, env)
    return name


def has_image(image: str, env: dict[str, str]) -> bool:
    """Whether an engine has an image."""
    return subprocess.run(["docker", "image", "inspect", image], env=env, capture_output=True, check=False).returncode == 0


def prepare() -> dict[str, Path]:
    """Prepare the parts of the node image, the slow ones in parallel: packages from the network, programs by the compiler.

    Return the paths of the programs.
    """
    dockerd.install_packages()
    base = cache_dir() / f"rootfs-{SUITE}.tar"
    with ThreadPoolExecutor() as pool:
        network = pool.submit(_debootstrap, base)
        programs = find(PROGRAMS)
        network.result()
    return programs


def _debootstrap(base: Path) -> None:
    if base.exists():
        return
    with taking("fetching Debian for the node image", "1 min"), tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        root = Path(scratch) / "rootfs"
        run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)])
        partial = base.with_suffix(".partial")
        run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(partial), "."])
        partial.rename(base)


def _build(name: str, archive: Path, env: dict[str, str]) -> None:
    programs = prepare()
    with taking("making the node image", "2 min"), tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        work = Path(scratch)
        root = work / "rootfs"
        root.mkdir()
        run(["tar", "-C", str(root), "-xf", str(cache_dir() / f"rootfs-{SUITE}.tar")])
        images = build_images(work, root, programs, release(), env)
        _furnish(root, programs)
        _preload(root, images, work)
        entry = """'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]'"""
        _shell(f"tar --numeric-owner -C '{root}' -c . | docker import -c 'ENV container=docker' -c {entry} - {name}", env)
        partial = archive.with_suffix(".partial")
        _shell(f"docker save {name} | zstd -q -3 -T0 -f -o '{partial}'", env)
        partial.rename(archive)


def _furnish(root: Path, programs: dict[str, Path]) -> None:
    """Copy kind's files, Kubernetes' programs and the CNI plugins into the node's file system, then set it up from inside."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    module = Path(run([go, "env", "GOMODCACHE"]).strip()) / f"sigs.k8s.io/kind@v{KIND}/images/base/files"
    for part in ("kind", "etc", "usr"):
        run(["cp", "-r", "--no-preserve=mode,ownership", str(module / part), str(root)])
    for folder in ("opt/cni/bin", "etc/cni/net.d", "kind/manifests", "etc/kubernetes/manifests"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for program, folder in [("kubelet", "usr/bin"), ("kubectl", "usr/bin"), ("kubeadm", "usr/bin")] + [
        (c, "opt/cni/bin") for c in CNI
    ]:
        shutil.copy(programs[program], root / folder / program)
    (root / "kind/version").write_text(f"v{release().kubernetes}")
    shutil.copy(HERE / "storage-class.yaml", root / "kind/manifests/default-storage.yaml")
    shutil.copy(HERE / "node-setup.sh", root / "node-setup.sh")
    run(["chroot", str(root), "sh", "-eu", "/node-setup.sh", release().pause])
    (root / "node-setup.sh").unlink()


def _preload(root: Path, archive: Path, work: Path) -> None:
    """Import the images with a containerd of our own whose root is the node's."""
    store, state = root / "var/lib/containerd", work / "containerd"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    state.mkdir()
    config = state / "config.toml"
    config.write_text(
        f'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\nroot = "{store}"\nstate = "{state}/run"\n'
        f'[grpc]\naddress = "{state}/containerd.sock"\n'
    )
    ctr = ["ctr", "--address", f"{state}/containerd.sock"]
    with (state / "log").open("w") as log, subprocess.Popen(["containerd", "-c", str(config)], stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0, 30)
            pinned = "--label=io.cri-containerd.pinned=pinned"
            run([*ctr, "-n", "k8s.io", "images", "import", pinned, "--all-platforms", "--no-unpack", "--digests", str(archive)])
        finally:
            process.terminate()


def _shell(pipeline: str, env: dict[str, str]) -> None:
    run(["bash", "-o", "pipefail", "-euc", pipeline], env=env)
