"""Templates and static files. Every value is escaped, and its control and bidirectional characters are replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from controller.cli.web.pages.filters import FILTERS, safe

HERE = Path(__file__).parent
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
DIGEST_DIGITS = 12


class Asset(NamedTuple):
    """A static file."""

    digest: str
    kind: str
    content: bytes


@cache
def assets() -> dict[str, Asset]:
    """Return the static files by name. They are read once."""
    found = {path.name: path for path in (HERE / "static").iterdir() if path.suffix in TYPES}
    return {name: _asset(path) for name, path in found.items()}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(hashlib.sha256(content).hexdigest()[:DIGEST_DIGITS], TYPES[path.suffix], content)


def asset_url(name: str) -> str:
    """Return the address of a static file; it changes with the content, so that browsers keep the file."""
    return f"/static/{assets()[name].digest}/{name}"


@cache
def environment() -> Environment:
    """Return the templates."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=safe,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= FILTERS
    made.globals["asset"] = asset_url
    return made


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """Return a filled template."""
    return environment().get_template(template).render(values)
