"""The files of a release: the checksums are those that sha256sum checks, and the notes name the image by digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.progress import ClusterError
from tests.release.files import check, checksums
from tests.release.notes import notes
from tests.release.project import version


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """sha256sum accepts the files as they were, and refuses a changed and a missing one."""
    for name in ("a.yaml", "b.whl"):
        (tmp_path / name).write_text(name)
    checksums(tmp_path)
    check(tmp_path)
    (tmp_path / "a.yaml").write_text("other")
    with pytest.raises(ClusterError, match=r"a\.yaml"):
        check(tmp_path)
    (tmp_path / "a.yaml").unlink()
    with pytest.raises(ClusterError, match=r"a\.yaml"):
        check(tmp_path)


def test_the_notes_can_be_followed() -> None:
    """They install this version of the chart from its registry, name the images by digest, and have the changes."""
    published = ("registry.example/x@sha256:1", "oci://registry.example/charts/x", "0.1.0-dev.1")
    text = notes(version(), *published, "registry.example/codex-agent@sha256:2")
    assert "oci://registry.example/charts/x --version 0.1.0-dev.1" in text
    assert "`registry.example/x@sha256:1`" in text
    assert "`registry.example/codex-agent@sha256:2`" in text
    assert "### Added" in text
    assert text.startswith("A prerelease")
