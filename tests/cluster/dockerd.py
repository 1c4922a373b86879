"""A Docker engine: the running one, or a private one that ends with its last cluster. The latter needs root on Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from tests.cluster import processes
from tests.cluster.binaries import find
from tests.cluster.processes import Record, run, start_time, wait_until
from tests.cluster.progress import ClusterError, locked, taking
from tests.cluster.settings import runtime_dir

START_SECONDS = 60.0
CAP_SYS_RESOURCE = 24
"""Bit of the capability in /proc/self/status; see capabilities(7)."""

PACKAGES = {"dockerd": "docker.io", "debootstrap": "debootstrap", "containerd": "containerd", "zstd": "zstd", "ctr": "containerd"}
BUSYBOX = Path("/bin/busybox")
"""Debian's busybox-static; at the same path may be its busybox, which needs libraries that none of our images has."""


def unavailable() -> str:
    """Return why no Docker engine is possible here, empty if there is one or can be."""
    if _answers(None):
        return ""
    if os.getuid() != 0:
        return "docker does not answer, and only root can start an engine"
    return "" if shutil.which("apt-get") else "docker does not answer, and this is no Debian to install one on"


def install_packages() -> None:
    """Install Debian's packages for a private engine and the node image."""
    missing = sorted({package for program, package in PACKAGES.items() if not shutil.which(program)})
    missing += [] if BUSYBOX.exists() and _is_static(BUSYBOX) else ["busybox-static"]
    if missing:
        with taking(f"installing {', '.join(missing)}", "20 s"):
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "update"], env=env)
            run(["apt-get", "install", "-y", "--no-install-recommends", *missing], env=env)


def _is_static(program: Path) -> bool:
    """Whether a program runs without shared libraries: ldd fails on it."""
    return subprocess.run(["ldd", str(program)], capture_output=True, check=False).returncode != 0


def running_engine() -> dict[str, str] | None:
    """Return the environment for a running Docker engine, None without one: the machine's own takes precedence over a private
    one.
    """
    return next((env for env in (dict(os.environ), _private()) if _answers(env)), None)


def engine() -> dict[str, str]:
    """Return the environment for a Docker engine, starting a private one if none is running. Raises ClusterError."""
    with nobody_else_starts_or_ends_it():
        if (env := running_engine()) is None:
            env = _private()
            install_packages()
            _start(_home(), env)
    return env


def nobody_else_starts_or_ends_it() -> AbstractContextManager[None]:
    """Return a context that excludes other runs: one that begins while the last cluster ends would get a stopping engine."""
    return locked(runtime_dir() / ".docker.lock")


def is_private(env: dict[str, str]) -> bool:
    """Whether this environment reaches the engine that we started."""
    return env.get("DOCKER_HOST") == _private()["DOCKER_HOST"]


def stop_private_engine() -> None:
    """End the private engine, if there is one, and remove its data, its bridge and its rules."""
    home = _home()
    if not home.exists():
        return
    Record(home / "processes").stop_all()
    subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
    _restore_rules(home / "iptables")
    _unmount(home)
    shutil.rmtree(home, ignore_errors=True)


def _home() -> Path:
    return runtime_dir() / ".docker"


def _private() -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": f"unix://{_home()}/docker.sock"}


def _answers(env: dict[str, str] | None) -> bool:
    if not shutil.which("docker"):
        return False
    done = subprocess.run(["docker", "version"], env=env, capture_output=True, check=False, timeout=20)
    return done.returncode == 0


def _start(home: Path, env: dict[str, str]) -> None:
    stop_private_engine()  # leftovers of a killed one
    home.mkdir(parents=True)
    (home / "iptables").write_text(run(["iptables-save"]))
    command = ["dockerd", "--host", env["DOCKER_HOST"], "--data-root", f"{home}/data", "--exec-root", f"{home}/exec"]
    command += ["--pidfile", f"{home}/docker.pid", "--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs"]
    if not _has_sys_resource():
        wrapper = find(["runc-nosysres"])["runc-nosysres"]
        command += ["--add-runtime", f"nosysres={wrapper}", "--default-runtime", "nosysres"]
    record = Record(home / "processes")
    with taking("starting a private Docker engine", "3 s"):
        pid = processes.start(record, "dockerd", command, home / "dockerd.log", keep=True)
        wait_until(lambda: _answers(env) or start_time(pid) is None, START_SECONDS, 0.3)
        if not _answers(env):
            tail = (home / "dockerd.log").read_text()[-1500:]
            raise ClusterError(f"the private Docker engine did not start:\n{tail}")


def _has_sys_resource() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_SYS_RESOURCE & 1)


def _restore_rules(saved: Path) -> None:
    """Restore the packet filter; a table without rules is missing in the saved ones."""
    if not saved.exists():
        return
    for table in ("filter", "nat"):
        if f"*{table}" not in saved.read_text():
            for flag in ("-F", "-X"):
                subprocess.run(["iptables", "-t", table, flag], capture_output=True, check=False)
            subprocess.run(["iptables", "-P", "FORWARD", "ACCEPT"], capture_output=True, check=False)
    run(["iptables-restore", str(saved)])


def _unmount(home: Path) -> None:
    """Unmount the mounts of a killed engine below its folder, the deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{home}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
