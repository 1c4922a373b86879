"""A registry on this machine: Debian's docker-registry, without TLS, on loopback and at the gateway of kind's network."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.cluster.kind import KindCluster
from tests.cluster.processes import Record, run, start, wait_until
from tests.cluster.progress import ClusterError, locked, taking
from tests.cluster.settings import cache_dir
from tests.release.image import Registry

PACKAGE, PROGRAM = "docker-registry", "usr/bin/docker-registry"
LOOPBACK = "127.0.0.1"
START_SECONDS = 20.0


@contextmanager
def loopback_registry() -> Iterator[tuple[Registry, Path]]:
    """Run an empty registry on a free port of loopback; return it with the folder of its data, which are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="runwatchman-registry-") as scratch:
        folder = Path(scratch)
        address = f"{LOOPBACK}:{_free_port(LOOPBACK)}"
        with _serving(folder, address, readonly=False):
            yield Registry(f"{address}/runwatchman", plain_http=True), folder


@contextmanager
def reachable_from_nodes(cluster: KindCluster, registry: Registry, folder: Path) -> Iterator[None]:
    """Serve the registry's data to a cluster's nodes, which can only read, under the registry's name on loopback.

    The nodes' containerd gets the address by its hosts.toml, as for any mirror.
    """
    gateway, _ = cluster.gateway()
    address = f"{gateway}:{_free_port(gateway)}"
    host = registry.name.partition("/")[0]
    hosts = f'server = "http://{address}"\n[host."http://{address}"]\n  capabilities = ["pull", "resolve"]\n'
    with _serving(folder, address, readonly=True):
        for node in cluster.nodes:
            place = f"/etc/containerd/certs.d/{host}"
            cluster.on_node(node, "sh", "-euc", f"mkdir -p {place}; printf '%s' '{hosts}' >{place}/hosts.toml")
        yield


@contextmanager
def _serving(folder: Path, address: str, *, readonly: bool) -> Iterator[None]:
    """Run the program on the data of a folder."""
    record = Record(folder / f"processes-{address}")
    config = folder / f"{address}.yaml"
    config.write_text(yaml.safe_dump(_config(folder, address, readonly=readonly)))
    start(record, PACKAGE, [str(_program()), "serve", str(config)], folder / f"{address}.log", keep=False)
    try:
        if not wait_until(lambda: _answers(address), START_SECONDS):
            raise ClusterError(f"the registry at {address} did not start:\n{(folder / f'{address}.log').read_text()[-1500:]}")
        yield
    finally:
        record.stop_all()


def _config(folder: Path, address: str, *, readonly: bool) -> dict[str, object]:
    storage = {"filesystem": {"rootdirectory": f"{folder}/data"}, "maintenance": {"readonly": {"enabled": readonly}}}
    return {"version": 0.1, "log": {"level": "warn"}, "storage": storage, "http": {"addr": address}}


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/v2/", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _program() -> Path:
    """Return the program of Debian's package, which is unpacked and not installed: an installed one starts a service."""
    home = cache_dir() / PACKAGE
    with locked(cache_dir() / f".{PACKAGE}.lock"):
        if not (home / PROGRAM).exists():
            with taking(f"fetching Debian's {PACKAGE}", "10 s"), tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
                _fetch(Path(scratch))
                Path(scratch, "root").rename(home)
    return home / PROGRAM


def _fetch(folder: Path) -> None:
    """Unpack the package into a folder named `root`. Raises ClusterError."""
    if subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, check=False).returncode:
        run(["apt-get", "update"])
        run(["apt-get", "download", PACKAGE], cwd=folder)
    (package,) = folder.glob("*.deb")
    run(["dpkg-deb", "-x", str(package), str(folder / "root")])
