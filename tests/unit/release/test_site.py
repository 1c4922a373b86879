"""The list of the documentation's versions: the newest first, and the newest release is the latest."""

from __future__ import annotations

import pytest

from tests.release.site import folder_of, listing


@pytest.mark.parametrize(("version", "folder"), [("0.1.0", "0.1"), ("0.1.7", "0.1"), ("1.10.0", "1.10"), ("0.2.0rc1", "0.2.0rc1")])
def test_a_minor_version_has_a_folder(version: str, folder: str) -> None:
    """Patch releases share a folder; a prerelease has its own."""
    assert folder_of(version) == folder


def test_the_newest_release_is_the_latest() -> None:
    """Versions are ordered as numbers, and a prerelease becomes the latest only while there is no release."""
    listed: list[dict[str, object]] = []
    for version, latest in (
        ("0.1.0.dev1", "0.1.0.dev1"),
        ("0.9.0", "0.9"),
        ("0.10.0", "0.10"),
        ("0.11.0rc1", "0.10"),
        ("0.9.1", "0.10"),
    ):
        listed = listing(listed, version)
        assert [each["version"] for each in listed if each["aliases"]] == [latest]
    assert [each["version"] for each in listed] == ["0.11.0rc1", "0.10", "0.9", "0.1.0.dev1"]
