"""The notes of a release: how to install and verify it, and its changes."""

from __future__ import annotations

from tests.release.changelog import section
from tests.release.project import NAME, PAGES, ROOT, is_prerelease

TEXT = """{warning}```sh
helm upgrade --install {name} {chart} --version {helm} --namespace {name} --create-namespace --wait
```

or `kubectl apply --server-side -f install.yaml`. The image is `{image}`{beside}.
[Verify it]({pages}latest/verify/) with `checksums.txt`, cosign, the SBOM and the provenance below.

{changes}
"""
WARNING = "A prerelease: objects and options may change before the release.\n\n"


def notes(version: str, image: str, chart: str, helm: str, *others: str) -> str:
    """Return the notes of a version as Markdown, with its images. Raises NoNotesError if the changelog has none."""
    changes = section((ROOT / "CHANGELOG.md").read_text(), version)
    warning = WARNING if is_prerelease(version) else ""
    beside = f"; the others are `{'`, `'.join(others)}`" if others else ""
    return TEXT.format(warning=warning, name=NAME, chart=chart, helm=helm, image=image, beside=beside, pages=PAGES, changes=changes)
