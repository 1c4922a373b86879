"""Draw the site's diagrams without a network: Mermaid is part of the site, from npm, and verified by its digest.

Without this copy the theme would fetch Mermaid from another host. If npm is missing the diagrams stay as their source text, and
still nothing is fetched.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

PACKAGE = "mermaid@11.16.0"
MEMBER = "package/dist/mermaid.min.js"
DIGEST = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
PLACE = "assets/mermaid.min.js"
KEPT = Path(__file__).parent.parent / "artifacts" / f"mermaid-{DIGEST[:12]}.js"
"""The downloaded file, fetched once for a checkout."""

FENCE = re.compile(r"^```mermaid$", re.MULTILINE)
NPM_SECONDS = 120
log = logging.getLogger("mkdocs.hooks")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make every page load the site's own copy."""
    if not KEPT.exists() and shutil.which("npm"):
        KEPT.parent.mkdir(exist_ok=True)
        (partial := KEPT.with_suffix(".partial")).write_bytes(_fetched())
        partial.rename(KEPT)
    if KEPT.exists():
        config.extra_javascript.append(PLACE)
    else:
        log.info("npm is not on PATH: the pictures stay text")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the copy to the files of the site."""
    if KEPT.exists():
        files.append(File.generated(config, PLACE, content=KEPT.read_bytes()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Show the diagrams as text if the copy is missing, so that the theme fetches nothing."""
    return markdown if KEPT.exists() else FENCE.sub("```text", markdown)


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=NPM_SECONDS)
        if done.returncode:
            raise PluginError(f"`npm pack {PACKAGE}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return _member(next(Path(folder).glob("*.tgz")).read_bytes())


def _member(package: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        found = archive.extractfile(MEMBER)
        data = found.read() if found else b""
    if hashlib.sha256(data).hexdigest() != DIGEST:
        raise PluginError(f"{PACKAGE}: {MEMBER} is not the file with the digest {DIGEST}: somebody has changed it")
    return data
