"""The notes of a release are its section of the changelog, and a release without one is refused."""

from __future__ import annotations

import pytest

from tests.release.changelog import NoNotesError, changes, section
from tests.release.project import ROOT, version

TEXT = """# Changelog

## Unreleased

### Added

- A page on `rw`. It is short.

## 0.2.0 - 2027-01-05

### Added

**Runs**

- A field, which
  takes two lines. And a second sentence.
- Another 0.5 s.

### Fixed

- A crash

## 0.1.0 - 2026-12-01

- The first one.
"""


def test_a_version_has_the_text_below_its_heading() -> None:
    """The text ends before the next version's heading."""
    assert section(TEXT, "0.2.0").startswith("### Added\n\n**Runs**")
    assert section(TEXT, "0.2.0").endswith("- A crash")
    assert section(TEXT, "0.1.0") == "- The first one."


@pytest.mark.parametrize("prerelease", ["0.3.0.dev1", "0.3.0rc1"])
def test_a_prerelease_has_what_is_unreleased(prerelease: str) -> None:
    """A prerelease needs no heading of its own."""
    assert "A page on `rw`" in section(TEXT, prerelease)


def test_a_version_without_changes_is_refused() -> None:
    """A final release needs a heading of its own with changes below it."""
    with pytest.raises(NoNotesError, match=r"`## 0\.3\.0 - DATE`"):
        section(TEXT, "0.3.0")
    with pytest.raises(NoNotesError):
        section("## 0.3.0\n\n## 0.2.0\n- x", "0.3.0")


def test_artifact_hub_lists_the_first_sentence_of_each_change() -> None:
    """Changes have their heading's kind; a number is no end of a sentence."""
    assert changes(section(TEXT, "0.2.0")) == [
        {"kind": "added", "description": "A field, which takes two lines."},
        {"kind": "added", "description": "Another 0.5 s."},
        {"kind": "fixed", "description": "A crash"},
    ]


def test_this_version_has_notes() -> None:
    """The tree's own changelog has changes of the tree's version, each of a kind that Artifact Hub knows."""
    own = section((ROOT / "CHANGELOG.md").read_text(), version())
    assert len(changes(own)) == len([line for line in own.splitlines() if line.startswith("- ")])
