"""The project's former name is gone: it belongs to somebody else's tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMER = "runwatchman".replace("watchman", "warden")


def texts() -> dict[str, str]:
    """Return the text of each file of the repository; one that is no text has what can be read of it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [path for path in listed.split("\0") if (ROOT / path).is_file()]
    return {path: (ROOT / path).read_text(errors="replace") for path in paths}


def test_only_the_changelog_has_the_former_name() -> None:
    """Neither a file's name nor its text has it, in any case, except for the changelog's one line that says why it is former."""
    found = texts()
    assert [path for path in found if FORMER in path.lower()] == []
    lines = [(path, line) for path, text in found.items() for line in text.lower().splitlines() if FORMER in line]
    assert [path for path, _ in lines] == ["CHANGELOG.md"], lines
