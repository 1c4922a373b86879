"""Go modules that exist to build the programs of another module at one version."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.cluster.processes import run
from tests.cluster.settings import HERE

SUMS = HERE / "gobuild/go.sum"
"""The checksums of all modules of all versions; what is missing is looked up in Go's checksum database."""
GO_LINE = re.compile(r"^go \S+$", re.MULTILINE)
STAGED = re.compile(r"^\s*(k8s\.io/\S+) => \./staging/", re.MULTILINE)


def requiring(module: str, version: str, folder: Path, env: dict[str, str]) -> Path:
    """Make a module that requires another at a version, without the `v`, and return its folder. Raises ClusterError.

    Go decides by its `go` line, which is that of the other, whether it needs a newer toolchain.
    """
    folder.mkdir()
    (folder / "go.mod").write_text("module runwatchman.dev/tests\n\ngo 1.21\n")
    facts = json.loads(run(["go", "mod", "download", "-json", f"{module}@v{version}"], cwd=folder, env=env))
    (folder / "go.mod").write_text(go_mod(module, version, Path(facts["GoMod"]).read_text()))
    shutil.copy(SUMS, folder / "go.sum")
    return folder


def go_mod(module: str, version: str, its_own: str) -> str:
    """Return the text of a go.mod that requires a module at a version; `its_own` is the text of that module's go.mod.

    Go ignores the replacements of a required module. The modules in Kubernetes' `staging` are published as v0 of its minor, patch.
    """
    published = f"v0.{version.partition('.')[2]}"
    replaced = [f"replace {name} => {name} {published}" for name in STAGED.findall(its_own)]
    found = GO_LINE.search(its_own)
    return "\n".join(
        ["module runwatchman.dev/tests", "", found[0] if found else "", "", f"require {module} v{version}", *replaced, ""]
    )
