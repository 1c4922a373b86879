"""Kueue: a program of its controllers for plain pods, and the manifests that its module has, in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster.gobuild.modules import SUMS, requiring
from tests.cluster.processes import run
from tests.cluster.settings import HERE, KUEUE

MODULE = "sigs.k8s.io/kueue"
PROGRAM, MANIFESTS = "kueue", "manifests.yaml"
SHIPPED = ("crd/bases/*.yaml", "rbac/role.yaml", "webhook/manifests.yaml")
"""The manifests that a manager needs: CRDs, its role and its webhooks."""


def build_kueue(made: Path, env: dict[str, str], *flags: str) -> None:
    """Build the program, and collect the manifests, in the folder `kueue`. Raises ClusterError."""
    folder = requiring(MODULE, KUEUE, made / "module-kueue", env)
    source = Path(run(["go", "list", "-m", "-f", "{{.Dir}}", MODULE], cwd=folder, env=env).strip())
    (folder / SUMS.name).write_text(SUMS.read_text() + (source / SUMS.name).read_text())
    shutil.copy(HERE / "gobuild/kueue/main.go", folder)
    (target := made / "kueue").mkdir()
    run(["go", "build", *flags, "-o", str(target / PROGRAM), "."], cwd=folder, env=env)
    shipped = [path.read_text() for pattern in SHIPPED for path in sorted((source / "config/components").glob(pattern))]
    (target / MANIFESTS).write_text("\n---\n".join(shipped))
