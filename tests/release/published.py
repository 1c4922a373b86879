"""The references of what a release has published, each with its digest: release.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tests.release.project import NAME

RECORD = "release.json"


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """One image: its index, and the image of each platform."""

    reference: str
    platforms: dict[str, str]
    """A platform, as linux/amd64 -> the reference of its image."""


@dataclass(frozen=True, slots=True)
class Published:
    """All references of a release."""

    version: str
    chart: str
    images: dict[str, PublishedImage]
    """The name of an image, as runwatchman or codex-agent -> its references."""

    @property
    def image(self) -> str:
        """The reference of runwatchman's image."""
        return self.images[NAME].reference

    @property
    def platforms(self) -> dict[str, str]:
        """The platforms of runwatchman's image."""
        return self.images[NAME].platforms

    @property
    def others(self) -> tuple[str, ...]:
        """The references of the other images."""
        return tuple(each.reference for name, each in self.images.items() if name != NAME)

    @property
    def chart_url(self) -> str:
        """The chart as helm takes it, without its version."""
        return f"oci://{self.chart.partition('@')[0]}"

    @property
    def signed(self) -> tuple[str, ...]:
        """All references with a signature and a provenance of their own."""
        return (*(each.reference for each in self.images.values()), self.chart)

    def write(self, folder: Path) -> None:
        """Write the record of a release into its folder."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the release that a folder has the record of."""
        found = json.loads((folder / RECORD).read_text())
        images = {name: PublishedImage(**each) for name, each in found["images"].items()}
        return cls(found["version"], found["chart"], images)
