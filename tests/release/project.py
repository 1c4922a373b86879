"""The name and version of a release, and where its parts are published."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NAME = "runwatchman"
REGISTRY = "ghcr.io/runwatchman"
"""Published are REGISTRY/runwatchman, the image, REGISTRY/charts/runwatchman, the chart, and the images of recipes."""
SOURCE = "https://github.com/runwatchman/runwatchman"
PAGES = "https://runwatchman.github.io/runwatchman/"
CHART = ROOT / "charts" / NAME
PRERELEASE = re.compile(r"(?P<number>\d+\.\d+\.\d+)\.?(?P<kind>dev|a|b|rc)(?P<count>\d+)")


def version() -> str:
    """Return the version of the tree, as Python writes it: 0.1.0, 0.1.0rc1, 0.1.0.dev1."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def semver(python: str) -> str:
    """Return a version as Helm and krew want it: 0.1.0, 0.1.0-rc.1, 0.1.0-dev.1."""
    found = PRERELEASE.fullmatch(python)
    return f"{found['number']}-{found['kind']}.{found['count']}" if found else python


def is_prerelease(python: str) -> bool:
    """Whether a version is one that no user gets unless they ask for it."""
    return PRERELEASE.fullmatch(python) is not None
