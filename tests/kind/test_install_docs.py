"""docs/install.md as a script: every command in it runs, in its order, after the installation in README.md."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.chart.helm import NAMESPACE, ROOT
from tests.cluster import Cluster
from tests.cluster.binaries import find
from tests.kind.released import Released
from tests.release.project import REGISTRY, semver, version
from tests.support import await_that, items

COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PUBLISHED = re.compile(rf"oci://{REGISTRY}\S+")
HELM = """#!/bin/sh
case "$*" in *oci://*) exec {helm} "$@" --plain-http ;; esac
exec {helm} "$@"
"""
"""helm, which the page uses with a registry that has TLS."""


def test_every_command_of_the_page_works(fresh: Cluster, release_of: Released, tmp_path: Path) -> None:
    """In order, the page's commands install, finish a Run that crashed once, upgrade, remove, and clean up."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").symlink_to(find(["kubectl"])["kubectl"])
    (programs / "helm").write_text(HELM.format(helm=find(["helm"])["helm"]))
    (programs / "helm").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "KUBECONFIG": str(fresh.kubeconfig),
        "CHART": release_of.published.chart_url,
        "VERSION": semver(version()),
    }
    env |= {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    (first,) = re.findall(r"^helm upgrade.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    blocks = COMMANDS.findall((ROOT / "docs/install.md").read_text())
    script = "\n".join([PUBLISHED.sub("$CHART --version $VERSION", first), *blocks])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    told = fresh.kubectl("-n", NAMESPACE, "logs", "deployment/runwatchman", "--tail=30", check=False) if done.returncode else ""
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{told}"
    assert re.search(r"first +Completed +\S+ +1 ", done.stdout), "one restart, then Completed"
    await_that(lambda: items(fresh, NAMESPACE, "pods") == [], "the operator's pods to be deleted")
