"""Hooks of mkdocs for pages outside docs/, and for links that lead out of it.

README.md is the site's first page, so no copy of it can be out of date. A link to a file of the repository that
is not a page leads to `repo_url` if mkdocs.yml has one; otherwise the link becomes the file's path as text. A dead link stays
unchanged, and mkdocs --strict refuses it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
BROUGHT_IN = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
"""A page of the site -> its source file."""

PAGES = {source: page for page, source in BROUGHT_IN.items()}
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>(?:[^\]\[`]|`[^`]*`)*)\]\((?P<to>[^)#:\s]+)(?P<anchor>#[^)]*)?\)")
"""A backtick only begins a code span: with a second reading, each span after an open bracket doubles the ways to fail."""
DOCS = PurePosixPath("docs")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside docs/."""
    for page, source in BROUGHT_IN.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    at = PurePosixPath(page.file.src_uri)
    source = PurePosixPath(BROUGHT_IN[str(at)]) if str(at) in BROUGHT_IN else DOCS / at

    def link(found: re.Match[str]) -> str:
        target = _normal(source.parent / found["to"])
        return _link(found, target, at, config.repo_url, files) if (ROOT / target).exists() else found[0]

    return LINK.sub(link, markdown)


def _link(found: re.Match[str], target: PurePosixPath, at: PurePosixPath, repo_url: str | None, files: Files) -> str:
    """Rewrite one link whose target is a file of the repository."""
    place = PAGES.get(str(target)) or (str(target.relative_to(DOCS)) if target.is_relative_to(DOCS) else "")
    if place and files.get_file_from_path(place) is not None:
        up = "../" * (len(at.parts) - 1)
        return f"{found['picture']}[{found['text']}]({up}{place}{found['anchor'] or ''})"
    if repo_url:
        return f"[{found['text']}]({repo_url.rstrip('/')}/blob/main/{target})"
    return found["text"] if str(target) in found["text"] else f"{found['text']} (`{target}`)"


def _normal(path: PurePosixPath) -> PurePosixPath:
    """Return the path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return PurePosixPath(*parts)
