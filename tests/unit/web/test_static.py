"""The static files: whose they are, and that no page needs more than them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from controller.cli.web.rendering import HERE, asset_url, assets

STATIC = HERE / "static"
TABLE = re.findall(r"^\| `([^`]*)` .* `([0-9a-f]{64})` \|$", (STATIC / "THIRD-PARTY.md").read_text(), re.MULTILINE)


def test_the_files_of_others_are_unchanged_and_have_their_licence() -> None:
    """A file that the table does not name would have no known origin."""
    assert {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name, _ in TABLE} == dict(TABLE)
    assert {path.stem for path in STATIC.glob("*.LICENSE")} == {name.partition(".")[0] for name, _ in TABLE}
    assert {path.name for path in STATIC.glob("*.min.js")} == {name for name, _ in TABLE}


def test_a_files_address_changes_with_its_content() -> None:
    """Browsers keep a file for ever."""
    assert {asset_url(name).split("/")[2] for name in assets()} == {asset.digest for asset in assets().values()}


@pytest.mark.parametrize("path", sorted((HERE / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_templates_have_no_inline_code_and_no_foreign_address(path: Path) -> None:
    """The Content-Security-Policy would stop both; a template that needs them is wrong."""
    html = path.read_text()
    assert re.findall(r"\son\w+=|style=|<style|<script(?! src=)|https?://|\|\s*safe\b|autoescape", html) == []
