"""docs/install.md as a script: every command in it runs, in its order, after the installation in README.md."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.chart.helm import NAMESPACE, ROOT
from tests.cluster import Cluster
from tests.cluster.binaries import find
from tests.image import IMAGE
from tests.support import await_that, items

COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def test_every_command_of_the_page_works(fresh: Cluster, tmp_path: Path) -> None:
    """In order, the page's commands install, finish a Run that crashed once, upgrade, remove, and clean up."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, path in find(["helm", "kubectl"]).items():
        (programs / name).symlink_to(path)
    repository, _, tag = IMAGE.rpartition(":")
    env = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "KUBECONFIG": str(fresh.kubeconfig),
        "IMAGE": repository,
        "TAG": tag,
    }
    env |= {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    (first,) = re.findall(r"^helm upgrade.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    blocks = COMMANDS.findall((ROOT / "docs/install.md").read_text())
    script = "\n".join([first.replace("=IMAGE", "=$IMAGE").replace("=TAG", "=$TAG"), *blocks])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    told = fresh.kubectl("-n", NAMESPACE, "logs", "deployment/runwatchman", "--tail=30", check=False) if done.returncode else ""
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{told}"
    assert re.search(r"first +Completed +\S+ +1 ", done.stdout), "one restart, then Completed"
    await_that(lambda: items(fresh, NAMESPACE, "pods") == [], "the operator's pods to be deleted")
