"""The changes of one version, from CHANGELOG.md: as the notes of its release, and as Artifact Hub lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.release.project import is_prerelease

HEADING = re.compile(r"^## \[?([^\]\s]+)\]?.*$", re.MULTILINE)
KIND = re.compile(r"### (\w+)")
BULLET = re.compile(r"- (.+)")
SENTENCE = re.compile(r".+?[.!?](?=\s|$)")
UNRELEASED = "Unreleased"
LONGEST = 300
"""Characters of a change in Artifact Hub's list."""
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
"""The kinds that Artifact Hub knows, as Keep a Changelog names its headings."""


class NoNotesError(Exception):
    """The changelog has no section, or an empty one, of a version."""


def section(text: str, version: str) -> str:
    """Return the text below a version's heading; a prerelease without one has the unreleased changes. Raises NoNotesError."""
    parts = HEADING.split(text)
    found: dict[str, str] = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    here = found.get(version) or (found.get(UNRELEASED) if is_prerelease(version) else None)
    if not here:
        raise NoNotesError(
            f"CHANGELOG.md has no changes of {version}: give its `## {UNRELEASED}` the heading `## {version} - DATE`"
        )
    return here


def changes(text: str) -> list[dict[str, str]]:
    """Return the changes of a section as Artifact Hub lists them: the kind, and the first sentence of each."""
    return [{"kind": kind, "description": _short(words)} for kind, words in _bullets(text) if kind in KINDS]


def _bullets(text: str) -> Iterator[tuple[str, str]]:
    """Yield each item of a section with its heading's kind; the lines of an item that follow its first are indented."""
    kind, words = "", list[str]()
    for line in [*text.splitlines(), ""]:
        if words and line.startswith("  "):
            words.append(line.strip())
            continue
        if words:
            yield kind, " ".join(words)
        found = BULLET.match(line)
        words = [found[1]] if found else []
        kind = heading[1].lower() if (heading := KIND.match(line)) else kind


def _short(words: str) -> str:
    found = SENTENCE.match(words)
    return (found[0] if found else words)[:LONGEST]
