"""buildah as root on Debian, on storage of our own, and Debian itself as the base of images: no daemon, and no registry."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.processes import run
from tests.cluster.progress import locked, taking
from tests.cluster.settings import cache_dir

BASE = "localhost/runwatchman/base"
SUITE = "trixie"
NOT_NEEDED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man")
LOGS = "var/log"


@dataclass(frozen=True)
class Base:
    """Debian with some packages, and without some folders."""

    packages: str
    without: tuple[str, ...]

    def inputs(self) -> str:
        """Return what determines the base, for a digest."""
        return f"{SUITE} {self.packages} {self.without}"


WITH_PYTHON = Base("python3,python3-pip,ca-certificates", (*NOT_NEEDED, LOGS))
"""In place of python:3.13-slim: that is Debian of the same name with the same Python."""
SLIM = Base("ca-certificates", NOT_NEEDED)
"""In place of debian:trixie-slim. apt works in it, which needs its folder of logs."""


def buildah(*arguments: str) -> str:
    """Run buildah on storage of our own and return its output. Raises ClusterError."""
    storage = cache_dir() / "buildah"
    command = ["buildah", "--root", f"{storage}/root", "--runroot", f"{storage}/run", "--storage-driver", "overlay"]
    return run([*command, *arguments], env={**os.environ, "BUILDAH_ISOLATION": "chroot"})


def push(image: str, path: Path) -> None:
    """Write an image of buildah's storage to a docker archive. Raises ClusterError."""
    buildah("push", "--quiet", image, f"docker-archive:{path}:{image}")


def has_buildah() -> bool:
    """Whether buildah works here, after installing it if possible."""
    if os.getuid() == 0 and not shutil.which("buildah") and shutil.which("apt-get"):
        with taking("installing buildah", "20 s"):
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "update"], env=env)
            run(["apt-get", "install", "-y", "--no-install-recommends", "buildah", "debootstrap"], env=env)
    return os.getuid() == 0 and shutil.which("buildah") is not None


def base_archive(base: Base) -> Path:
    """Return the file system of a base, downloading it if it is missing."""
    tar = cache_dir() / f"base-{hashlib.sha256(base.inputs().encode()).hexdigest()[:12]}.tar"
    with locked(cache_dir() / ".base.lock"):
        if not tar.exists():
            with taking(f"fetching Debian with {base.packages}", "1 min"):
                _bootstrap(base, tar)
    return tar


def base_image(base: Base) -> str:
    """Return the name of a base in buildah's storage, importing it if it is missing."""
    tar = base_archive(base)
    name = f"{BASE}:{tar.stem}"
    if name not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
        (recipe := tar.with_suffix(".containerfile")).write_text(f"FROM scratch\nADD {tar.name} /\n")
        buildah("bud", "--quiet", "--timestamp", "0", "--ignorefile", os.devnull, "-f", str(recipe), "--tag", name, str(tar.parent))
    return name


def _bootstrap(base: Base, tar: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        root = Path(scratch) / "rootfs"
        run(["debootstrap", "--variant=minbase", f"--include={base.packages}", SUITE, str(root)])
        for folder in base.without:
            shutil.rmtree(root / folder, ignore_errors=True)
        partial = tar.with_suffix(".partial")
        run(["tar", "--numeric-owner", "--exclude=./dev/*", "-C", str(root), "-cf", str(partial), "."])
        partial.rename(tar)
