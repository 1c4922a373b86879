"""Container images without a registry: Kubernetes' own under kubeadm's names, and a few for tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster.dockerd import BUSYBOX
from tests.cluster.processes import run
from tests.cluster.releases import Release

BUSYBOX_IMAGE = "docker.io/library/busybox:1.37"
"""The image of the README's example. It contains Debian's busybox-static, in any version: a replacement for tests."""
ROOT_ONLY_IMAGE = "localhost/runwatchman-test/root-only:1"
"""An image whose program only root may read and run."""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STATIC = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "pause")
"""Programs that need nothing else in their images."""
IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")


def image_of(program: str, release: Release) -> str:
    """Return the image of a program under which kubeadm looks for it."""
    tags = {"etcd": f"{release.etcd}-0", "pause": release.pause}
    return f"registry.k8s.io/{program}:{tags.get(program, f'v{release.kubernetes}')}"


def build_images(work: Path, node_root: Path, programs: dict[str, Path], release: Release, env: dict[str, str]) -> Path:
    """Build every image and return an archive of all; `node_root` is a Debian with kube-proxy's libraries."""
    names = [_import(_program(work, programs[name]), f"/usr/local/bin/{name}", image_of(name, release), env) for name in STATIC]
    proxy = _kube_proxy(work, node_root, programs["kube-proxy"])
    names.append(_import(proxy, "/usr/local/bin/kube-proxy", image_of("kube-proxy", release), env))
    names.append(_import(_busybox(work), "/bin/sh", BUSYBOX_IMAGE, env))
    names.append(_import(_root_only(work), "/agent", ROOT_ONLY_IMAGE, env))
    archive = work / "images.tar"
    run(["docker", "save", "-o", str(archive), *names], env=env)
    return archive


def _import(folder: Path, entrypoint: str, name: str, env: dict[str, str]) -> str:
    change = f"""-c 'ENV {PATH}' -c 'ENTRYPOINT ["{entrypoint}"]'"""
    command = f"tar --numeric-owner --owner=0 --group=0 -C '{folder}' -c . | docker import {change} - {name}"
    run(["bash", "-o", "pipefail", "-euc", command], env=env)
    shutil.rmtree(folder)
    return name


def _folder(work: Path, *parts: str) -> Path:
    folder = work / "image"
    for part in ("tmp", *parts):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    return folder


def _program(work: Path, program: Path) -> Path:
    folder = _folder(work, "usr/local/bin")
    shutil.copy(program, folder / "usr/local/bin")
    return folder


def _kube_proxy(work: Path, node_root: Path, program: Path) -> Path:
    """kube-proxy and all of iptables' libraries, including its plugins': without libm Services fail silently."""
    folder = _folder(work, "usr/local/bin", "usr/sbin", "usr/bin", "usr/lib/x86_64-linux-gnu", "usr/lib64", "run", "etc")
    for link, target in (("lib", "usr/lib"), ("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib64", "usr/lib64")):
        (folder / link).symlink_to(target)
    shutil.copy(program, folder / "usr/local/bin")
    shutil.copy(BUSYBOX, folder / "usr/bin/busybox")
    (folder / "usr/bin/sh").symlink_to("busybox")
    for tool in ("xtables-nft-multi", "xtables-legacy-multi", "nft", "conntrack"):
        shutil.copy(node_root / "usr/sbin" / tool, folder / "usr/sbin")
    for name in IPTABLES:
        (folder / "usr/sbin" / name).symlink_to("xtables-nft-multi")
    shutil.copytree(node_root / "usr/lib/x86_64-linux-gnu/xtables", folder / "usr/lib/x86_64-linux-gnu/xtables")
    users = "/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack"
    listed = run(["chroot", str(node_root), "sh", "-c", f"ldd {users} /usr/lib/x86_64-linux-gnu/xtables/*.so"])
    for library in sorted(
        {word for line in listed.splitlines() for word in line.split() if word.startswith("/lib") and ":" not in word}
    ):
        target = "usr/lib64" if "ld-linux" in library else "usr/lib/x86_64-linux-gnu"
        shutil.copy(node_root / library.lstrip("/"), folder / target)
    return folder


def _busybox(work: Path) -> Path:
    folder = _folder(work, "bin", "etc", "root", "usr")
    shutil.copy(BUSYBOX, folder / "bin/busybox")
    for applet in run([str(BUSYBOX), "--list"]).split():
        if applet != "busybox":
            (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nagent:x:10001:10001:agent:/tmp:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\nagent:x:10001:\n")
    return folder


def _root_only(work: Path) -> Path:
    folder = _folder(work)
    shutil.copy(BUSYBOX, folder / "agent")
    (folder / "agent").chmod(0o700)
    return folder
