"""The machine of a benchmark: facts that its figures depend on, without any that identify the owner."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.cluster.releases import release
from tests.cluster.settings import KWOK

GIB = 2**30
LIBRARIES = ("kopf", "kubernetes", "aiohttp", "uvloop")


def facts() -> dict[str, str]:
    """Return facts about the machine and the versions, and its current load."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{pages * size / GIB:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "load average before": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "kube-apiserver": release().kubernetes,
        "etcd": f"{release().etcd}, without fsync",
        "kwok": KWOK,
        **{f"{name} (Python)": version(name) for name in LIBRARIES},
        "runwatchman": _revision(),
    }


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
