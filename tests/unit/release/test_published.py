"""The record of a release: all references that are signed, and the same again when it is read."""

from __future__ import annotations

from pathlib import Path

from tests.release.published import Published, PublishedImage

CHART = "registry.example/charts/runwatchman@sha256:1"
OURS = PublishedImage("registry.example/runwatchman@sha256:2", {"linux/amd64": "registry.example/runwatchman@sha256:3"})
AGENTS = PublishedImage("registry.example/codex-agent@sha256:4", {"linux/amd64": "registry.example/codex-agent@sha256:5"})
RELEASE = Published("0.1.0", CHART, {"runwatchman": OURS, "codex-agent": AGENTS})


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Verification starts from release.json alone."""
    RELEASE.write(tmp_path)
    assert Published.read(tmp_path) == RELEASE


def test_every_image_is_signed() -> None:
    """Each image's index and the chart have a signature; the notes name the other images."""
    assert RELEASE.signed == (OURS.reference, AGENTS.reference, CHART)
    assert (RELEASE.image, RELEASE.platforms, RELEASE.others) == (OURS.reference, OURS.platforms, (AGENTS.reference,))
    assert RELEASE.chart_url == "oci://registry.example/charts/runwatchman"
