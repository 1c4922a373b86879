"""The image of the reporter for tests, `localhost/runwarden/runwarden:dev`, without a registry: this Python and our own files.

A lookalike of what is shipped: the interpreter that runs the tests, its standard library and the libraries that both need, all
below /usr/local, and of ours only what the reporter may import.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.binaries import find
from tests.cluster.kind import KindCluster
from tests.cluster.processes import run
from tests.cluster.progress import locked, taking
from tests.cluster.settings import cache_dir

ROOT = Path(__file__).parent.parent
IMAGE = "localhost/runwarden/runwarden:dev"
OURS = ("__init__.py", "__main__.py", "api/__init__.py", "api/names.py", "reporter")
"""Of `controller/`: what the image holds."""

PYTHON = f"python{sysconfig.get_python_version()}"
LEFT_OUT = ("test", "site-packages", "dist-packages", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "config-*")
ENTRY = "#!/usr/local/bin/python3 -B\nfrom controller.__main__ import main\n\nmain()\n"
CHANGES = (
    "ENV PATH=/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/lib PYTHONDONTWRITEBYTECODE=1",
    'ENTRYPOINT ["/usr/local/bin/runwarden"]',
)
PARTS = 2
"""Of a line of ldd that names a library and where it was found."""


def load_reporter_image(cluster: Cluster) -> str:
    """Make the image known to a cluster's nodes, building it where it must; a cluster that is not ours has to have it."""
    if isinstance(cluster, KindCluster) and cluster.name not in _LOADED:
        archive = _archive(cluster)
        with taking("loading the reporter's image", "5 s"):
            kind = str(find(["kind"])["kind"])
            run([kind, "load", "image-archive", str(archive), "--name", cluster.name], env=cluster.env)
        _LOADED.add(cluster.name)
    return IMAGE


_LOADED: set[str] = set()
"""Clusters of this process that know the image."""


def _archive(cluster: KindCluster) -> Path:
    archive = cache_dir() / f"reporter-{_digest()}.tar"
    with locked(cache_dir() / ".reporter.lock"):
        if not archive.exists():
            for old in cache_dir().glob("reporter-*.tar"):
                old.unlink()
            with taking("making the reporter's image", "15 s"), tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
                _build(Path(scratch), archive, cluster)
    return archive


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes())
    for path in _our_files():
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _our_files() -> list[Path]:
    given = [ROOT / "controller" / name for name in OURS]
    found = [inner for path in given for inner in (path.rglob("*") if path.is_dir() else [path])]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _build(work: Path, archive: Path, cluster: KindCluster) -> None:
    root = work / "root"
    library = root / "usr/local/lib" / PYTHON
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    programs = root / "usr/local/bin"
    programs.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), programs / "python3")
    for path in _our_files():
        target = library / "site-packages" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (programs / "runwarden").write_text(ENTRY)
    (programs / "runwarden").chmod(0o755)
    run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(library / "site-packages")])
    _copy_libraries(root, [programs / "python3", *library.glob("lib-dynload/*.so")])
    changes = " ".join(f"-c '{change}'" for change in CHANGES)
    packed = f"tar --numeric-owner --owner=0 --group=0 --mode=a+rX -C '{root}' -c ."
    run(["bash", "-o", "pipefail", "-euc", f"{packed} | docker import {changes} - {IMAGE}"], env=cluster.env)
    partial = archive.with_suffix(".partial")
    run(["docker", "save", "-o", str(partial), IMAGE], env=cluster.env)
    partial.rename(archive)


def _copy_libraries(root: Path, programs: list[Path]) -> None:
    """Copy the closure of shared libraries; the loader stays where programs look for it."""
    for program in programs:
        for line in run(["ldd", str(program)]).splitlines():
            words = line.split()
            if len(words) > PARTS and words[1] == "=>" and words[2].startswith("/"):
                shutil.copy(words[2], root / "usr/local/lib" / words[0])
            elif words and words[0].startswith("/"):
                loader = root / words[0].lstrip("/")
                loader.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(words[0], loader)
