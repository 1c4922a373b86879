"""The sources of Kubernetes' programs: the environment, the cache, the official release, or a build from source."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from itertools import groupby
from pathlib import Path

from tests.cluster.gobuild import INSTALLED, KUBERNETES_PROGRAMS, OWN, build
from tests.cluster.progress import ClusterError, locked, say
from tests.cluster.releases import release
from tests.cluster.settings import DOWNLOAD_URL, KUEUE, architecture, cache_dir

DOWNLOAD_SECONDS = 5
"""How long the official release may take to answer: a machine without it must not wait."""

OFFICIAL = frozenset(KUBERNETES_PROGRAMS)
"""The programs that an official release serves one by one."""


class ChecksumError(ClusterError):
    """The checksum of a download is wrong."""


def find(names: list[str]) -> dict[str, Path]:
    """Return the path of each program, getting or building the missing ones."""
    found = {name: path for name in names if (path := _given(name) or _cached(name))}
    missing = sorted((name for name in names if name not in found), key=bin_dir)
    for folder, group in groupby(missing, key=bin_dir):
        with locked(folder / ".lock"):
            _get([name for name in group if not _cached(name)], folder)
    return found | {name: bin_dir(name) / name for name in missing}


def bin_dir(name: str) -> Path:
    """Return the cache's folder of a program: one for each version, so that Kubernetes' versions stand side by side."""
    path = cache_dir() / f"bin-{_version(name)}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _version(name: str) -> str:
    if name in OFFICIAL:
        return release().kubernetes
    if name in OWN:
        return "own"
    known = {"etcd": release().etcd, "kueue": KUEUE}
    return f"{name}-{known.get(name) or INSTALLED[name].rpartition('@v')[2]}"


def _given(name: str) -> Path | None:
    """Return a program that the user named by KUBEBUILDER_ASSETS, or one on PATH of exactly our version."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).exists():
        return Path(assets) / name
    there = shutil.which(name) if name in OFFICIAL else None
    return Path(there) if there and _version_of(there) else None


def _version_of(path: str) -> bool:
    flags = ["version", "--client"] if path.endswith("kubectl") else ["--version"]
    done = subprocess.run([path, *flags], capture_output=True, text=True, check=False, timeout=10)  # asks for a version
    return f"v{release().kubernetes}" in done.stdout


def _cached(name: str) -> Path | None:
    path = bin_dir(name) / name
    return path if path.exists() else None


def _get(names: list[str], folder: Path) -> None:
    official = [name for name in names if name in OFFICIAL]
    if official and not all(download(name, folder / name) for name in official):
        say("the official release cannot be had here: building from source")
    build([name for name in names if not _cached(name)], folder)


def download(name: str, target: Path, base: str = DOWNLOAD_URL) -> bool:
    """Download a program of the official release and check it; return whether it was available.

    Raises ChecksumError if its checksum is wrong.
    """
    url = f"{base}/v{release().kubernetes}/bin/linux/{architecture()}/{name}"
    try:
        expected = _fetch(f"{url}.sha256").decode().split()[0]
        content = _fetch(url)
    except (OSError, IndexError, UnicodeDecodeError, urllib.error.URLError):
        return False
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise ChecksumError(f"{url} has the SHA-256 {actual}, but its publisher says {expected}: not used")
    partial = target.with_suffix(".partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.rename(target)
    return True


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310  # the release's own address
        content: bytes = answer.read()
    return content
