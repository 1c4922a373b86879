"""The documentation with a folder for each version, as mkdocs-material's selector of versions reads it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from tests.cluster.processes import run
from tests.release.project import ROOT, is_prerelease

VERSIONS = "versions.json"
LATEST = "latest"
FORWARD = f'<!doctype html><meta charset="utf-8"><title>latest</title><meta http-equiv="refresh" content="0; url={LATEST}/">\n'
NUMBERS = re.compile(r"\d+")


def add_version(pages: Path, version: str) -> Path:
    """Build the documentation of a version into its folder and list it; the newest release is also the latest.

    A patch release replaces the folder of its minor version. Raises ClusterError.
    """
    name = folder_of(version)
    target = pages / name
    shutil.rmtree(target, ignore_errors=True)
    pages.mkdir(parents=True, exist_ok=True)
    command = ["mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target.resolve())]
    run(command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    listed = json.loads((pages / VERSIONS).read_text()) if (pages / VERSIONS).exists() else []
    made = listing(listed, version)
    (pages / VERSIONS).write_text(json.dumps(made, indent=1) + "\n")
    if next(each for each in made if each["version"] == name)["aliases"]:
        shutil.rmtree(pages / LATEST, ignore_errors=True)
        shutil.copytree(target, pages / LATEST)
        (pages / "index.html").write_text(FORWARD)
        (pages / ".nojekyll").touch()
    return target


def folder_of(version: str) -> str:
    """Return the folder of a version: its minor version, as 0.1, or the whole of a prerelease."""
    return version if is_prerelease(version) else version.rpartition(".")[0]


def listing(listed: list[dict[str, object]], version: str) -> list[dict[str, object]]:
    """Return the list of versions with this one, the newest first; the newest that is no prerelease has the alias.

    A first prerelease has it until there is a release.
    """
    name = folder_of(version)
    names = sorted({name, *(str(each["version"]) for each in listed)}, key=_order, reverse=True)
    latest = next((each for each in names if not is_prerelease(each)), names[0])
    return [{"version": each, "title": each, "aliases": [LATEST] if each == latest else []} for each in names]


def _order(name: str) -> tuple[list[int], bool]:
    return [int(number) for number in NUMBERS.findall(name)[:2]], not is_prerelease(name)
