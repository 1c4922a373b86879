"""The site builds as with `make docs`, and a page with a dead link is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.skipping import cannot_run

ROOT = Path(__file__).parent.parent.parent
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video)[^>]*\bsrc=["']?([^"'\s>]+)|<link[^>]*\brel=["']?"""
    r"""(?:stylesheet|preload|preconnect|dns-prefetch|icon|modulepreload)["']?[^>]*\bhref=["']?([^"'\s>]+)|@import\s+["']?([^"'\s;]+)"""
)
"""Resources that a browser fetches without a click."""

OF_THE_SITE = (
    "mkdocs.yml",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "SECURITY.md",
    "docs",
    "scripts",
    "manifests",
    "charts",
    "images",
)
KEPT = "artifacts/mermaid-*.js"
"""Files that the first build has fetched from npm."""

PICTURE = '<pre class="mermaid">'


def build(root: Path, to: Path) -> subprocess.CompletedProcess[str]:
    """Run mkdocs as `make docs` does, except for the output folder."""
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = ["mkdocs", "build", "--strict", "--site-dir", str(to)]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built site, built once for all tests here."""
    if not shutil.which("npm") and not list(ROOT.glob(KEPT)):
        cannot_run("needs npm, which brings the site its Mermaid")
    to = tmp_path_factory.mktemp("site")
    done = build(ROOT, to)
    assert done.returncode == 0, done.stderr
    return to


def test_the_first_page_is_the_readme(site: Path) -> None:
    """The first page has the README's text, and its links lead to pages of the site or are plain text."""
    page = (site / "index.html").read_text()
    assert "Why not a Job?" in page
    assert 'href="install/"' in page
    assert re.search(r'href="[^"]*\.md[#"]', page) is None


def test_every_concept_has_one_picture(site: Path) -> None:
    """Each page of the concepts has exactly one Mermaid picture."""
    pages = sorted((site / "concepts").glob("*/index.html"))
    assert {page.parent.name: page.read_text().count(PICTURE) for page in pages} == dict.fromkeys(
        ["advisor", "inbox", "plan", "restarts", "run"], 1
    )


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """Every script, style, picture and font of a page is a file of the site; so is Mermaid, or the theme would fetch it."""
    pages = sorted(site.rglob("*.html"))
    assert pages
    for page in pages:
        loaded = [next(filter(None, found)) for found in LOADED.findall(page.read_text())]
        assert [url for url in loaded if not _is_ours(site, page, url)] == [], page
        assert (PICTURE not in page.read_text()) or any(url.endswith("mermaid.min.js") for url in loaded), page
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert [url for url in re.findall(r"url\(([^)]+)\)", styles) if "//" in url and not url.startswith(("data:", '"data:'))] == []


def _is_ours(site: Path, page: Path, url: str) -> bool:
    """Whether a URL is data, or a file of the site; the 404 page has its URLs relative to the root."""
    path = url.partition("?")[0].partition("#")[0]
    return url.startswith("data:") or (site / path.lstrip("/") if path.startswith("/") else page.parent / path).is_file()


@pytest.mark.parametrize(
    ("url", "ours"),
    [("https://unpkg.example/a.js", False), ("//cdn.example/a.js", False), ("gone.js", False), ("index.html", True)],
)
def test_what_is_ours(site: Path, url: str, ours: bool) -> None:
    """The check above detects foreign URLs."""
    (found,) = [next(filter(None, each)) for each in LOADED.findall(f'<script async src="{url}"></script>')]
    assert _is_ours(site, site / "index.html", found) is ours


def test_links_out_of_the_docs_become_words(site: Path) -> None:
    """A link to a file outside the site, such as the chart's values, becomes its path: the site works without the repository."""
    assert "<code>charts/runwatchman/values.yaml</code>" in (site / "install/index.html").read_text()


def copied(to: Path) -> Path:
    """Copy the sources of the site, so that a test can change them."""
    to.mkdir()
    for name in OF_THE_SITE:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, to / name)
    for kept in ROOT.glob(KEPT):
        (to / "artifacts").mkdir()
        shutil.copy(kept, to / "artifacts")
    return to


def test_with_a_repository_they_stay_links(tmp_path: Path) -> None:
    """If mkdocs.yml names the repository, links to its files lead there; pages and pictures stay the site's own."""
    root = copied(tmp_path / "root")
    with (root / "mkdocs.yml").open("a") as config:
        config.write("repo_url: https://git.example/runwatchman\n")
    done = build(root, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert 'href="https://git.example/runwatchman/blob/main/LICENSE"' in (tmp_path / "site/index.html").read_text()
    assert 'src="demo.svg"' in (tmp_path / "site/index.html").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gone](nowhere.md)", "nowhere.md"),
        ("[gone](../nowhere/values.yaml)", "nowhere/values.yaml"),
        ("[gone](install.md#nowhere)", "nowhere"),
    ],
    ids=["page", "file", "heading"],
)
def test_a_dead_link_fails_the_build(tmp_path: Path, text: str, told: str) -> None:
    """A link to a missing page, file or heading fails the build, and is named."""
    root = copied(tmp_path / "root")
    with (root / "docs/plan.md").open("a") as page:
        page.write(f"\n{text}\n")
    done = build(root, tmp_path / "site")
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
