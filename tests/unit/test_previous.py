"""The previous release in tests/releases/ has all that its image is built from."""

from __future__ import annotations

from pathlib import Path

from tests.previous import unpack


def test_every_source_of_its_image_is_kept(tmp_path: Path) -> None:
    """Each file or folder that its Containerfile copies, and that its .containerignore admits, is in the archive."""
    unpack(tmp_path)
    copied = [line.split()[1:-1] for line in (tmp_path / "Containerfile").read_text().splitlines() if line.startswith("COPY ")]
    sources = {source for words in copied if not words[0].startswith("--from") for source in words}
    admitted = {line[1:] for line in (tmp_path / ".containerignore").read_text().splitlines() if line.startswith("!")}
    assert sources
    assert [source for source in sorted(sources | admitted) if not (tmp_path / source).exists()] == []
